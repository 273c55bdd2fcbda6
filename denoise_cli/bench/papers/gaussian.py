"""White Gaussian noise: the nets that ship on BSD68, CBSD68 and Set12, beside the figures of papers."""

from denoise_cli import methods, shelf
from denoise_cli.bench.protocol import BSD68, CBSD68, SET12, Trial
from denoise_cli.bench.references import published
from denoise_cli.bench.study import Row, Study, Table
from denoise_cli.noise import parse
from denoise_cli.noise.gaussian import Gaussian
from denoise_cli.noise.mixture import parts

_SIGMAS = (15, 25, 50, 75)


def _table(caption: str, images: str, channels: int) -> Table:
    """The weights of the index that were trained on Gaussian noise of many levels, on one set."""
    words = [f"gaussian:{sigma}" for sigma in _SIGMAS]
    rows = []
    for entry in shelf.entries():
        if _is_blind(entry.noise) and entry.channels == channels and not methods.find(entry.model).per_class:
            whose, figures = published(entry, images)
            told = tuple(figures.get(word) for word in words)
            rows.append(Row(f"`{entry.name}` ({whose})", weights=entry.name, paper=told, told=True))
    return Table(caption, tuple(rows), tuple(Trial(images, word, False) for word in words))


def _is_blind(words: str) -> bool:
    """Whether the noise of training is Gaussian and nothing else, of many levels, and always there."""
    return all(isinstance(part, Gaussian) and part.sigma.low < part.sigma.high for part in parts(parse(words)))


STUDY = Study(
    "White Gaussian noise",
    """PSNR in dB of the weights that ship, on the sets and at the levels of the papers: noise is added in float and
neither clipped nor rounded, the output is clipped to [0, 1]. In brackets what papers report, of the net that is named.
Nets that are told sigma are told the true one, `dt` has 20 iterations, and DnCNN and the
`bf` nets learned no noise stronger than sigma 55.""",
    "bsds432",
    tuple(
        table
        for table in (
            _table("**Colour**, CBSD68.", CBSD68, 3),
            _table("**Gray**, BSD68.", BSD68, 1),
            _table("**Gray**, Set12.", SET12, 1),
        )
        if table.rows
    ),
)

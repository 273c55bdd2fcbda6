"""White Gaussian noise: DnCNN and FFDNet on BSD68, CBSD68 and Set12, and FFDNet told a wrong level."""

from denoise_cli import shelf
from denoise_cli.bench.protocol import BSD68, CBSD68, SET12, Trial
from denoise_cli.bench.study import Row, Study, Table

_SIGMAS = (15, 25, 35, 50, 75)


def _trials(images: str, sigmas: tuple[int, ...] = _SIGMAS) -> tuple[Trial, ...]:
    return tuple(Trial(images, f"gaussian:{sigma}", False) for sigma in sigmas)


_PUBLISHED = {  # each paper's figures at _SIGMAS
    ("dncnn", CBSD68): (33.89, 31.23, 29.58, 27.92, 24.47),
    ("ffdnet", CBSD68): (33.87, 31.21, 29.58, 27.96, 26.24),
    ("dncnn", BSD68): (31.72, 29.23, 27.69, 26.23, 24.64),
    ("ffdnet", BSD68): (31.63, 29.19, 27.73, 26.29, 24.79),
}


def _shipped(channels: int, images: str) -> tuple[Row, ...]:
    """The weights of the index that were trained on Gaussian noise."""
    return tuple(
        Row(f"`{entry.name}`", weights=entry.name, paper=_PUBLISHED.get((entry.model, images), ()))
        for entry in shelf.entries()
        if entry.noise.startswith("gaussian") and entry.channels == channels
    )


def _tables() -> tuple[Table, ...]:
    tables = [
        Table(
            "**Colour**, CBSD68, noise in float; in brackets what the net's paper reports.",
            _shipped(3, CBSD68),
            _trials(CBSD68),
        ),
        Table("**Gray**, BSD68, noise in float.", _shipped(1, BSD68), _trials(BSD68)),
        Table("**Gray**, Set12, noise in float.", _shipped(1, SET12), _trials(SET12)),
    ]
    told = [entry.name for entry in shelf.entries() if entry.model == "ffdnet" and entry.channels == 3]
    if told:
        rows = tuple(
            Row(f"`{told[0]}` told {sigma}", weights=told[0], options={"sigma": sigma / 255}) for sigma in _SIGMAS
        )
        tables.append(
            Table(
                "**A wrong level.** FFDNet told another sigma: too high smooths, too low leaves noise.",
                rows,
                _trials(CBSD68, (15, 25, 50)),
            )
        )
    return tuple(table for table in tables if table.rows)


STUDY = Study(
    "White Gaussian noise",
    """PSNR in dB of the weights that ship, on the sets and at the levels of the papers: noise is added in float and
neither clipped nor rounded, the output is clipped to [0, 1].""",
    "bsds432",
    _tables(),
)

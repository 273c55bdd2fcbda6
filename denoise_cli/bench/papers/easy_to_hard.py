"""Raman, Mao, Agarwal, Jaiman: nets that see easy noise and are asked for hard noise; Tables 1 and 2."""

from denoise_cli.bench.protocol import CIFAR, Trial
from denoise_cli.bench.study import Row, Study, Table

_EASY = "--noise sp:0.1 --patch 32 --batch 64 --steps 500 --loss mse --set gray=0"
_DT = "--set residual=false --set free_iters=null --set every=false"
SHARES = tuple(Trial(CIFAR, f"sp:{share}", True) for share in (0.1, 0.2, 0.3, 0.4, 0.5))
_SPARED = "--noise sp:0.1 --patch 32 --batch 16 --steps 300 --loss mse --set gray=0 --set warmup=30"


def dt(alpha: float, more: str = "") -> str:
    """The words that train the recurrent net with that weight of the progressive loss."""
    return f"dt {_EASY} {_DT} --set alpha={alpha:g}{more}"


def feedforward(alpha: float) -> str:
    """The words that train the baseline without weight sharing."""
    return f"feedforward {_EASY} --set alpha={alpha:g}"


def _paper(easy: float, hard: float) -> tuple[float | None, ...]:
    return (easy, None, hard)


_TABLE_1 = Table(
    "**Table 1.** Trained at 0.1, tested at 0.1 to 0.5, five iterations; in brackets the paper's figures.",
    (
        Row("DnCNN", f"dncnn {_EASY}", paper=_paper(25.18, 23.40)),
        Row("CNN with median layers", f"median-cnn {_SPARED}", paper=_paper(23.61, 21.91)),
        Row(
            "the same, its median layers change nothing",
            f"median-cnn {_SPARED} --set median=false",
            paper=_paper(23.61, 21.91),
        ),
        Row("feed-forward CNN", feedforward(0), paper=_paper(24.92, 19.92)),
        Row("DT", dt(0), paper=_paper(25.46, 21.01)),
        Row("DT, similarity loss", dt(0).replace("mse", "'mse + 0.08*similarity'"), paper=_paper(22.53, 17.29)),
        Row("DT, median filter", dt(0, " --set filter=median"), paper=_paper(19.76, 18.30)),
        Row("DT, dynamic filter", dt(0, " --set filter=dynamic"), paper=_paper(25.27, 22.97)),
        Row("3x3 median, nothing learned", model="median"),
        Row("impulses found and filled, nothing learned", model="impulse"),
        Row("`dt.cifar-sp-0.1`, which ships", weights="dt.cifar-sp-0.1"),
    ),
    SHARES,
    counts=(5,),
)

_TABLE_2 = Table(
    "**Table 2.** The weight alpha of the progressive loss.",
    tuple(
        Row(f"{name}, alpha {alpha:g}", words(alpha), paper=_paper(easy, hard))
        for name, words, figures in (
            ("feed-forward", feedforward, ((24.93, 19.92), (24.65, 19.43), (23.63, 19.03))),
            ("DT", dt, ((25.61, 21.03), (24.89, 20.06), (24.83, 19.93))),
        )
        for alpha, (easy, hard) in zip((0, 0.5, 1), figures, strict=True)
    ),
    SHARES[:3],
    counts=(5,),
)

STUDY = Study(
    "From easy to hard, as published",
    """Raman, Mao, Agarwal and Jaiman train recurrent nets on images of which a tenth of the pixels are black or white,
and ask them for images of which up to half are. These are the rows of their tables, each with its own architecture, its
number of weights and its loss; the optimiser and the rate are ours, since at the printed rate of 3e-8 nothing is
learned. The CNN with median layers is here twice, since in its released code they change nothing. PSNR in
dB, mean over the 500 test images of the CIFAR-10 subset, 8-bit input. What iterating can do when the
net is told where the impulses are is on the page [From easy to hard](../easy-to-hard.md); the paper's curves are on
[PSNR against the level](levels.md) and [Iterations and alpha](iterations.md).""",
    CIFAR,
    (_TABLE_1, _TABLE_2),
)

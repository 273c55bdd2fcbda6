"""Raman, Mao, Agarwal, Jaiman: PSNR against the level of the noise; Figures 3 and 5."""

from denoise_cli.bench.papers.easy_to_hard import SHARES, dt, feedforward
from denoise_cli.bench.protocol import CIFAR, Trial
from denoise_cli.bench.study import LEVELS, Row, Study, Table

_SIGMAS = (0.05, 0.1, 0.15, 0.2, 0.3)

_FIGURE_3 = Table(
    "**Figure 3.** Trained with a tenth of the pixels replaced, five iterations.",
    (
        Row("DT", dt(0)),
        Row("feed-forward CNN", feedforward(0)),
        Row("3x3 median, nothing learned", model="median"),
        Row("impulses found and filled, nothing learned", model="impulse"),
        Row("`dt.cifar-sp-0.1`, which ships", weights="dt.cifar-sp-0.1"),
    ),
    SHARES,
    counts=(5,),
    figure=LEVELS,
    axis="share of the pixels that are black or white",
)

_FIGURE_5 = Table(
    "**Figure 5.** Gaussian noise: trained at sigma 0.1, ten iterations.",
    (
        Row("DT", dt(0).replace("sp:0.1", "gaussian:0.1")),
        Row("`dt.gaussian`, which ships, trained on sigma 0 to 75", weights="dt.gaussian"),
    ),
    tuple(Trial(CIFAR, f"gaussian:{sigma}", True) for sigma in _SIGMAS),
    counts=(10,),
    figure=LEVELS,
    axis="sigma of the noise, on [0, 1]",
)

STUDY = Study(
    "PSNR against the level of the noise",
    """How far nets that saw one easy level get at harder ones, after Raman, Mao, Agarwal and Jaiman. Mean PSNR in dB
over the 500 test images of the CIFAR-10 subset, 8-bit input. The rows of the paper's tables are those of
`denoise bench paper easy-to-hard`.""",
    CIFAR,
    (_FIGURE_3, _FIGURE_5),
)

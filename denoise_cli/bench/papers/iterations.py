"""Raman, Mao, Agarwal, Jaiman: more iterations than in training, and the weight of the progressive loss; Figure 6."""

from denoise_cli.bench.papers.easy_to_hard import SHARES, dt
from denoise_cli.bench.protocol import CIFAR
from denoise_cli.bench.study import ITERATIONS, Row, Study, Table

STUDY = Study(
    "Iterations and alpha",
    """A recurrent net may run longer than in training. Raman, Mao, Agarwal and Jaiman train it for five iterations,
with three weights alpha of the progressive loss, which is to keep it from forgetting; here are those nets, and
`dt.cifar-sp-0.1`, which knows where the impulses are. Trained with a tenth of the pixels replaced, asked for 0.1 and
0.3; mean PSNR in dB over the 500 test images of the CIFAR-10 subset, 8-bit input.""",
    CIFAR,
    (
        Table(
            "**Figure 6.** PSNR after so many iterations.",
            (
                *(Row(f"DT, alpha {alpha:g}", dt(alpha)) for alpha in (0, 0.5, 1)),
                Row("`dt.cifar-sp-0.1`", weights="dt.cifar-sp-0.1"),
            ),
            (SHARES[0], SHARES[2]),
            counts=(1, 3, 5, 10, 20, 50),
            figure=ITERATIONS,
            axis="iterations",
        ),
    ),
)

"""Ten seeds of ten: the easy-to-hard paper's nets failed to learn for some seeds."""

from denoise_cli.bench.protocol import CIFAR, Trial
from denoise_cli.bench.study import Row, Study, Table

_PUBLISHED = "--set residual=false --set free_iters=null --set every=false --set alpha=0"
_WORDS = "--noise sp:0.1 --patch 32 --batch 32 --steps 250 --loss mse --set gray=0"

STUDY = Study(
    "Ten seeds of ten",
    """Raman, Mao, Agarwal and Jaiman report that their nets learn nothing for some seeds. The published net of 27,360
weights, trained with ten seeds; five iterations, 8-bit input, CIFAR-10 test images with a tenth of the pixels black or
white. A seed that failed would stay near the PSNR of the noisy images, 15.1 dB.""",
    CIFAR,
    (
        Table(
            "PSNR in dB after five iterations.",
            tuple(Row(f"seed {seed}", f"dt {_WORDS} {_PUBLISHED} --seed {seed}") for seed in range(10)),
            (Trial(CIFAR, "sp:0.1", True),),
            counts=(5,),
            spread=True,
        ),
    ),
)

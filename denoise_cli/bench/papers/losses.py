"""Zhao, Gallo, Frosio, Kautz: which loss to train with, by which metric; and what changing it part-way brings."""

from denoise_cli.bench.protocol import CBSD68, Trial
from denoise_cli.bench.study import Row, Study, Table

_NET = "dt --noise gaussian:25 --patch 48 --batch 8 --steps 1000 --set gray=0 --set max_iters=3 --set free_iters=6"
_LOSSES = {
    "L2": "l2",
    "L1": "l1",
    "SSIM, sigma 5": "ssim:5",
    "SSIM, sigma 9": "ssim:9",
    "MS-SSIM": "ms-ssim",
    "Mix": "mix",
    "L1, then L2": "'l1@0..50%,l2@50%..'",
    "L2, then L1": "'l2@0..50%,l1@50%..'",
    "logarithm of the squared error": "log-mse",
}

STUDY = Study(
    "Losses",
    """Zhao, Gallo, Frosio and Kautz, "Loss Functions for Image Restoration with Neural Networks", train one net with
several losses for denoising and demosaicking, and find that L1 beats L2 even in PSNR, that Mix (MS-SSIM and L1) is best
in nearly every metric, and that changing from one of L1 and L2 to the other part-way is better than staying. Here one
small net (`dt`, 27,360 weights) learns Gaussian noise of sigma 25 with each loss, the same patches and the same number
of steps.""",
    "bsds432",
    (
        Table(
            "CBSD68, sigma 25, 8-bit input; ten iterations.",
            tuple(Row(label, f"{_NET} --loss {word}") for label, word in _LOSSES.items()),
            (Trial(CBSD68, "gaussian:25", True),),
            metrics=("psnr", "ssim", "ms-ssim"),
            counts=(10,),
        ),
    ),
)

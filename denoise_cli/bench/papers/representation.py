"""Zhao: does a net that learned to denoise know something that helps to tell what a picture shows?"""

from denoise_cli.bench.protocol import CIFAR, Trial
from denoise_cli.bench.study import ACCURACY, Row, Study, Table

_WORDS = (
    "classifier --set body=dsc --set features=64 --set gates=prose --noise gaussian:0 --patch 32 --batch 32 "
    "--val 100 --set optimiser=adam --rate 3e-4 --set zoom=1 --set patchwork=0 --set smoothing=0 --set dropout=0.5 "
    "--set gray=0 --set weight_decay=0 --set ema=0.95"
)
_STARTS = {"truncated normal": "", "convolutions of `dsc.mixed`": " --init-from dsc.mixed"}

STUDY = Study(
    "What a denoiser knows of pictures",
    """Zhao gives the convolutions of the trained conv-deconv net to a classifier with the same ones and trains that on
the 13,000 labelled images of STL-10 (10 classes): 15 % are right after 20 iterations and about 35 % in the end,
against 5 % and 25 % from a truncated normal start. The same here on 5085 images of CIFAR-10, also 10 classes.""",
    CIFAR,
    (
        Table(
            "Share of the 500 test images whose class comes first, percent.",
            tuple(
                Row(f"{label}, {steps} steps", f"{_WORDS} --steps {steps} --set warmup={steps // 10}{start}")
                for steps in (40, 300)
                for label, start in _STARTS.items()
            ),
            (Trial(CIFAR, "gaussian:0", True),),
            metrics=(ACCURACY,),
        ),
    ),
)

"""Zhao: a conv-deconv net with direct symmetric connections and gates, against the same net without."""

from denoise_cli.bench.protocol import TINY_IMAGENET, Trial
from denoise_cli.bench.study import Row, Study, Table

_WORDS = "dsc --noise mixed:0..50+0..0.2 --patch 64 --batch 8 --steps 400 --loss mse --set gray=0"
_GATES = {
    "gates as in the formulas (conv i goes on with delta, across with 1 - delta)": "formula",
    "gates as in the prose (the reverse)": "prose",
    "nothing across": "none",
}

STUDY = Study(
    "Conv-deconv with direct symmetric gates",
    """A net of five convolutions down to 4x4 and five up again. Each convolution's output also goes straight to its
mirror image, through a gate that is a constant (0.1 to 0.4). Zhao trains it on 10,000 batches of 64x64 images and
reports a squared error of 7500 with the gates and 15,000 without, on 0..255: 9.4 and 6.4 dB, below its noisy input. The
same three nets here, on [0, 1] and with an optimiser that learns.""",
    TINY_IMAGENET,
    (
        Table(
            "PSNR in dB, validation images of the Tiny ImageNet subset, Gaussian noise and salt and pepper, 8 bit.",
            tuple(Row(label, f"{_WORDS} --set gates={gates}") for label, gates in _GATES.items()),
            tuple(Trial(TINY_IMAGENET, f"mixed:{level}", True) for level in ("15+0.05", "25+0.1", "50+0.2")),
        ),
    ),
)

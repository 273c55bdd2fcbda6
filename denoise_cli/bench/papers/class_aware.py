"""Remez, Litany, Giryes, Bronstein: a net for each class of images, against one for all."""

from denoise_cli.bench.protocol import TINY_IMAGENET, Trial
from denoise_cli.bench.study import Row, Study, Table
from denoise_cli.data.classes import GROUPS

STUDY = Study(
    "Class-aware and class-agnostic",
    """Remez, Litany, Giryes and Bronstein train one net for all images, then go on training a copy of it for each
class; on one picture of a face at sigma 25 they report 30.88 dB for the net of its class and 30.50 dB for the one for
all. Here the classes are groups of those of Tiny ImageNet. PSNR in dB on the validation images of each group, in gray,
at sigma 25, noise in float. The last row takes the net that a classifier picks by the noisy image itself.""",
    TINY_IMAGENET,
    (
        Table(
            "Rows: the nets. Columns: the images.",
            (
                Row("for all classes", weights="class-aware.all"),
                *(Row(f"for {group}", weights=f"class-aware.{group}") for group in GROUPS),
                Row("the one that the classifier picks", model="class-aware"),
            ),
            tuple(Trial(TINY_IMAGENET, "gaussian:25", False, only=group, gray=True) for group in GROUPS),
        ),
    ),
)

"""Raman, Mao, Agarwal, Jaiman: what it costs to have seen easy noise only, against nets that saw the hard one."""

from denoise_cli.bench.papers.easy_to_hard import SHARES
from denoise_cli.bench.protocol import CIFAR
from denoise_cli.bench.study import Row, Study, Table

_WORDS = "--set recall=impulses --patch 32 --batch 16 --steps 2400 --set gray=0 --set optimiser=adam --rate 1e-3"

STUDY = Study(
    "The gap from easy to hard",
    """Raman, Mao, Agarwal and Jaiman ask whether a recurrent net that saw a tenth of the pixels replaced can do what
one does that was trained for a third or a half of them, by running longer. Here is the same net, trained by the same
command at each of these levels, and asked for all of them. It is `dt` with the recall of
[From easy to hard](../easy-to-hard.md), trained for a shorter time than the weights that ship. PSNR in dB after 50
iterations, mean over the 500 test images of the CIFAR-10 subset, 8-bit input.""",
    CIFAR,
    (
        Table(
            "Rows: what it was trained with. Columns: what it is asked for.",
            (
                *(Row(f"trained at {trial.noise}", f"dt --noise {trial.noise} {_WORDS}") for trial in SHARES[::2]),
                Row("`dt.cifar-sp-0.1`, which ships", weights="dt.cifar-sp-0.1"),
            ),
            SHARES[::2],
            counts=(50,),
        ),
    ),
)

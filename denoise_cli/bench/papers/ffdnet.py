"""Zhang, Zuo, Zhang: FFDNet is told the level of the noise. What if that is wrong?"""

from denoise_cli.bench.protocol import CBSD68, Trial
from denoise_cli.bench.study import ROWS, Row, Study, Table

_TOLD = (5, 15, 25, 35, 50, 75)

STUDY = Study(
    "FFDNet and a wrong level",
    """FFDNet is one net for all levels, which it is told. Zhang, Zuo and Zhang show that a level too high smooths
detail away, and that one too low leaves noise, which costs more. `ffdnet.color` on ten images of CBSD68 under noise of
15, 25 and 50 in float, told other levels too; PSNR in dB.""",
    "bsds432",
    (
        Table(
            "Rows: the sigma that the net is told. Columns: that of the noise.",
            tuple(
                Row(f"told {sigma}", weights="ffdnet.color", options={"sigma": sigma / 255}, at=sigma)
                for sigma in _TOLD
            ),
            tuple(Trial(CBSD68, f"gaussian:{sigma}", False, limit=10) for sigma in (15, 25, 50)),
            figure=ROWS,
            axis="sigma that the net is told",
        ),
    ),
    remarks="""This net takes a level that is too high at its word: in ratio to the true one it costs more than one
that is too low, where the authors found the reverse.""",
)

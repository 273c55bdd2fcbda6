"""Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: nets without additive constants, outside the range of training."""

from denoise_cli.bench.protocol import BSD68, Trial
from denoise_cli.bench.study import LEVELS, Row, Study, Table

_SIGMAS = (10, 30, 50, 70, 90)
_INSIDE = (10, 50)  # of what the weights that ship learned
_WORDS = "--noise {} --patch 48 --batch {} --steps {} --loss {} --set eight_bit=0 --val 12 --rate {}"
_UNIFORM, _NEAR_TEN = "gaussian:0..10", "'0.3*gaussian:0..10 + 0.7*gaussian:9..10'"
_HOW = {  # noise, batch, steps, loss and rate: a batch norm wants larger batches, a deep net without one a low rate
    "bf-cnn": (_UNIFORM, 12, 2000, "mse", "5e-3"),
    "bf-unet": (_UNIFORM, 4, 6000, "mse", "3e-3"),
    "bf-rcnn": (_UNIFORM, 4, 6000, "mse", "1e-3"),
    "bf-dense": (_UNIFORM, 4, 6000, "mse", "7e-4"),
}
_BEYOND = {  # the same, for what lies beyond the range
    "bf-cnn": ("bf-cnn", _NEAR_TEN, 12, 2000, "log-mse", "5e-3"),
    "bf-unet": ("bf-unet", _NEAR_TEN, 4, 24000, "log-mse", "2e-3"),
    "bf-rcnn": ("bf-rcnn", _NEAR_TEN, 4, 4000, "log-mse", "3e-4"),
    "bf-unet, with bias": ("bf-unet", _NEAR_TEN, 4, 24000, "log-mse", "2e-3 --set bias=true"),
    "bf-unet, 6000 steps as in the first table": ("bf-unet", _NEAR_TEN, 4, 6000, "log-mse", "3e-3"),
    "bf-unet, 6000 steps, sigma uniform": ("bf-unet", _UNIFORM, 4, 6000, "log-mse", "3e-3"),
}
_PAPER = {  # its stored curves on BSD68 at _SIGMAS, trained on 0..10: bias-free, with bias
    "bf-cnn": ((33.84, 28.15, 25.80, 24.31, 23.25), (33.69, 19.80, 15.29, 12.73, 11.07)),
    "bf-unet": ((33.48, 27.46, 25.08, 23.42, 22.10), (33.52, 19.60, 15.36, 12.95, 11.43)),
    "bf-rcnn": ((33.21, 27.21, 24.78, 23.17, 21.93), (33.44, 19.50, 15.26, 12.83, 11.28)),
    "bf-dense": ((33.56, 27.59, 25.28, 23.76, 22.62), (33.11, 19.49, 15.27, 12.81, 11.31)),
}

STUDY = Study(
    "Without bias, beyond the range of training",
    """Mohan, Kadkhodaie, Simoncelli and Fernandez-Granda, "Robust and Interpretable Blind Image Denoising via Bias-Free
Convolutional Neural Networks", remove every additive constant from a net and train it on weak noise only (sigma 0 to
10): it goes on denoising at levels that it has never seen, where the same net with its constants fails.""",
    "bsds432",
    (
        Table(
            "BSD68, noise in float; in brackets the paper's figures (from its stored curves).",
            tuple(
                Row(
                    f"{net}{', with bias' if bias else ''}",
                    f"{net} {_WORDS.format(*_HOW[net])}{' --set bias=true' if bias else ''}",
                    paper=paper,
                )
                for net, figures in _PAPER.items()
                for bias, paper in enumerate(figures)
            ),
            tuple(Trial(BSD68, f"gaussian:{sigma}", False) for sigma in _SIGMAS),
            figure=LEVELS,
            axis="sigma of the noise",
        ),
        Table(
            "Trained with the logarithm of each patch's MSE as loss, by which even patches count as much as busy ones, "
            "and with most of the noise between 9 and 10.",
            tuple(Row(label, f"{net} {_WORDS.format(*how)}") for label, (net, *how) in _BEYOND.items()),
            tuple(Trial(BSD68, f"gaussian:{sigma}", False) for sigma in _SIGMAS),
        ),
        Table(
            "The weights that ship, trained on sigma 0 to 55.",
            tuple(Row(f"`{net}.gray`", weights=f"{net}.gray") for net in _PAPER),
            tuple(Trial(BSD68, f"gaussian:{sigma}", False) for sigma in _INSIDE),
        ),
    ),
    remarks="""As the paper says: at 50, five times beyond what they learned, the nets without constants are 8 to 10 dB
above their twins with them. What lies beyond the range is learned late, and mostly from patches with little in them,
which at sigma 10 are what any patch is at 50: as they count as much as the others, and most of the noise is near 10,
`bf-cnn` gains 0.5 dB at 50, `bf-unet` 1.0, most of it in as many steps, and `bf-rcnn` 0.6 in fewer. The twin with
constants gains next to nothing by it. The logarithm alone does harm: it makes much of the weakest noise.

Of the weights that learned up to 55, and for longer, `bf-cnn` then lacks 0.7 dB at 50, `bf-dense` 1.0 as it was,
`bf-unet` 1.2, `bf-rcnn` 1.4; of the paper's figures the four lack 0.3 to 0.5 dB, after ten to twenty minutes of
training on one core.""",
)

"""The five convolutions of the conv-deconv net, each but the first at half the size, and the gates behind them.

Aojia Zhao (see ``methods.dsc``), table 1; its classifier has the same ones.
"""

from math import sqrt

from torch import Tensor, nn

from denoise_cli.errors import UsageError, did_you_mean

GATES = ("formula", "prose", "none")
_DELTAS = (0.1, 0.2, 0.3, 0.4)  # for the outputs of convolutions 1 to 4
STRIDE = 16


def contracting(channels: int, features: int, width: int, kernel: int) -> nn.ModuleList:
    """From (N, channels, H, W) to (N, width, H / 16, W / 16): features, features, twice and four times as many.

    Raises ``UsageError`` for a ``kernel`` that is even.
    """
    if kernel % 2 == 0:
        raise UsageError(f"kernel cannot be {kernel}.", "It is odd: 3, 5, 7 ...")
    widths = (channels, features, features, 2 * features, 4 * features, width)
    return nn.ModuleList(
        nn.Sequential(_conv(widths[i], widths[i + 1], kernel, 1 if i == 0 else 2), nn.ReLU()) for i in range(5)
    )


def check_gates(gates: str, of: str) -> None:
    """Raise ``UsageError`` where there are no such ``gates``; ``of`` says whose they are."""
    if gates not in GATES:
        raise UsageError(f"{of} has no gates {gates!r}.", did_you_mean(gates, GATES))


def contract(convs: nn.ModuleList, images: Tensor, gates: str) -> tuple[Tensor, list[Tensor]]:
    """What comes out at the bottom, and what goes across behind each of the first four convolutions."""
    across: list[Tensor] = []
    features = images
    for index, conv in enumerate(convs):
        features = conv(features)
        if index < len(_DELTAS) and gates != "none":
            delta = _DELTAS[index] if gates == "formula" else 1 - _DELTAS[index]
            across.append((1 - delta) * features)
            features = delta * features
    return features, across


def draw(layer: nn.Conv2d | nn.ConvTranspose2d, fan_in: float) -> None:
    """He's initialisation, where ``fan_in`` values meet in an output."""
    nn.init.normal_(layer.weight, std=sqrt(2 / fan_in))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
    draw(conv, inputs * kernel**2)
    return conv

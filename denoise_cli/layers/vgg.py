"""Stacks of 3x3 convolutions with pooling between them, and the first layers of the published VGG-16.

Karen Simonyan, Andrew Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor, nn

POOL = 0  # in a plan, among the widths of the convolutions
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue


def stack(plan: Iterable[int], channels: int, *, batch_norm: bool) -> nn.Sequential:
    """Convolutions of the widths in ``plan``, each with a ReLU; halves H and W, rounded up, at every ``POOL``.

    (N, channels, H, W) to (N, last width, H', W').
    """
    layers: list[nn.Module] = []
    for width in plan:
        if width == POOL:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            continue
        conv = nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm)
        start_truncated(conv)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()] if batch_norm else [conv, nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


def start_truncated(layer: nn.Conv2d | nn.Linear) -> None:
    """Draw the weights from He's normal distribution cut off at two deviations; biases are 0."""
    deviation = sqrt(2 / layer.weight[0].numel())
    nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class Vgg16Features(nn.Module):
    """What the fourth convolution of VGG-16 (relu2_2) makes of images; its keys are torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        self.features = stack((64, 64, POOL, 128, 128), 3, batch_norm=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 128, H / 2, W / 2), from colour images (N, 3, H, W) in [0, 1]."""
        mean, deviation = (torch.tensor(part, device=images.device)[:, None, None] for part in (_MEAN, _DEVIATION))
        return self.features((images - mean) / deviation)  # type: ignore[no-any-return]

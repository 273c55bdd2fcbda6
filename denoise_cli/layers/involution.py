"""Involution: a convolution whose kernel each pixel makes for itself, and shares between its channels.

Duo Li, Jie Hu, Changhu Wang, Xiangtai Li, Qi She, Lei Zhu, Tong Zhang, Qifeng Chen, "Involution: Inverting the
Inherence of Convolution for Visual Recognition", CVPR 2021, equations 4 to 6, with one group of channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from denoise_cli.layers.local import locally


class Involution(nn.Module):
    """(N, features, H, W) to the same: kernels are ``span(ReLU(BN(reduce(x))))``, what lies outside counts as 0.

    A recurrent net may apply it again and again: it starts as the identity, and a kernel whose absolute values add up
    to more than 1 is divided by their sum. (Without that, features that grow make kernels that grow, and these more so:
    a net that learned with five iterations was not finite after twenty.)
    """

    def __init__(self, features: int, *, side: int = 5, reduced: int = 2) -> None:
        super().__init__()
        self.side = side  # of the kernels, odd
        self.reduce = nn.Sequential(nn.Conv2d(features, reduced, 1), nn.BatchNorm2d(reduced), nn.ReLU())
        self.span = nn.Conv2d(reduced, side * side, 1)
        nn.init.normal_(self.span.weight, std=1e-2)
        assert self.span.bias is not None
        nn.init.zeros_(self.span.bias)
        with torch.no_grad():
            self.span.bias[side * side // 2] = 1

    def forward(self, features: Tensor) -> Tensor:
        return locally(self._involve, self.side // 2, features)

    def _involve(self, features: Tensor) -> Tensor:
        kernels = self.span(self.reduce(features))  # (N, side * side, H, W)
        kernels = kernels / kernels.abs().sum(dim=1, keepdim=True).clamp(min=1)
        padded = functional.pad(features, (self.side // 2,) * 4)
        height, width = features.shape[-2:]
        total = torch.zeros_like(features)
        for index in range(self.side * self.side):  # one shift after the other: all at once would hold 25 copies
            top, left = divmod(index, self.side)
            total = total + kernels[:, index : index + 1] * padded[..., top : top + height, left : left + width]
        return total

"""Layers without additive constants, of which nets with ``f(a x) = a f(x)`` for every ``a > 0`` are made.

Sreyas Mohan, Zahra Kadkhodaie, Eero P. Simoncelli, Carlos Fernandez-Granda, "Robust and Interpretable Blind Image
Denoising via Bias-Free Convolutional Neural Networks", ICLR 2020. Each layer has its usual twin with constants.
"""

import torch
from torch import Tensor, nn

from denoise_cli.layers.identity import start_near_identity

_LEAST_VARIANCE = 1e-12  # keeps the gradient of the square root finite where a channel is dead


class BiasFreeBatchNorm(nn.Module):
    """``y = weight x / (std + eps)``, channel by channel: batch normalisation with no mean and no bias.

    In training ``std`` is of the batch (unbiased, about the mean), afterwards of its running variance. Shapes
    (N, features, H, W) to the same.
    """

    running_var: Tensor

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps  # added to the deviation, not to the variance
        self.momentum = momentum  # weight of the new batch in the running variance
        self.weight = nn.Parameter(torch.ones(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, features: Tensor) -> Tensor:
        variance = self.running_var
        if self.training:
            variance = features.float().var(dim=(0, 2, 3))
            with torch.no_grad():
                self.running_var.lerp_(variance, self.momentum)
        scale = self.weight / (variance.clamp_min(_LEAST_VARIANCE).sqrt() + self.eps)
        return features * scale.to(features.dtype)[:, None, None]


def conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1, bias: bool) -> nn.Conv2d:
    """A convolution with zero padding that keeps the size (but for ``stride``), drawn for a ReLU to follow."""
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride=stride, dilation=dilation, padding=dilation * (kernel // 2), bias=bias
    )
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def stage(inputs: int, outputs: int, features: int, depth: int, *, bias: bool, last_bias: bool) -> nn.Sequential:
    """``depth`` 3x3 convolutions with ReLU between them: (N, inputs, H, W) to (N, outputs, H, W).

    One pass of the recurrent net and of the simplified DenseNet of the paper's appendix. At first it returns about
    the first of its inputs.
    """
    convs = [conv(inputs, features, bias=bias), *(conv(features, features, bias=bias) for _ in range(depth - 2))]
    layers = [layer for inner in convs for layer in (start_near_identity(inner), nn.ReLU(inplace=True))]
    return nn.Sequential(*layers, start_near_identity(conv(features, outputs, bias=last_bias)))

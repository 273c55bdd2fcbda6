"""Layers without additive constants, of which nets with ``f(a x) = a f(x)`` for every ``a > 0`` are made.

Sreyas Mohan, Zahra Kadkhodaie, Eero P. Simoncelli, Carlos Fernandez-Granda, "Robust and Interpretable Blind Image
Denoising via Bias-Free Convolutional Neural Networks", ICLR 2020. Each layer has its usual twin with constants.
"""

from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli.layers.identity import start_near_identity

_OTHERS = (0, 2, 3)  # all dimensions but that of the features
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
        if self.training:
            normalised, variance = _Normalised.apply(features, self.weight, self.eps)  # type: ignore[no-untyped-call]
            with torch.no_grad():
                self.running_var.lerp_(variance, self.momentum)
            return normalised  # type: ignore[no-any-return]
        scale = self.weight / (self.running_var.clamp_min(_LEAST_VARIANCE).sqrt() + self.eps)
        return features * scale.to(features.dtype)[:, None, None]


class _Normalised(torch.autograd.Function):
    """``weight x / (std + eps)`` and the variance, by sums over ``x`` as it is stored, with no copy in float32."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        number = features.numel() // features.shape[1]
        wide = torch.promote_types(features.dtype, torch.float32)
        mean = features.mean(dim=_OTHERS, dtype=wide)
        squares = torch.linalg.vector_norm(features, dim=_OTHERS, dtype=wide).square()
        variance = ((squares - number * mean.square()) / (number - 1)).clamp_min(_LEAST_VARIANCE)
        below = variance.sqrt() + eps
        ctx.save_for_backward(features, weight, mean, variance, below)
        ctx.mark_non_differentiable(variance)
        return features * (weight / below).to(features.dtype)[:, None, None], variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, None]:
        features, weight, mean, variance, below = ctx.saved_tensors
        gradient, number = gradients[0], features.numel() // features.shape[1]
        along = (gradient * features).sum(dim=_OTHERS, dtype=mean.dtype)  # by weight / below
        slope = -along * weight / below.square() / ((number - 1) * variance.sqrt())  # of x - mean
        scale, slope, shift = (
            factor.to(features.dtype)[:, None, None] for factor in (weight / below, slope, slope * mean)
        )
        return torch.addcmul(gradient * scale - shift, features, slope), along / below, None


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

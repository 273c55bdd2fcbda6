"""How far away an input pixel can still change an output pixel, read from the layers of a net."""

from torch import nn


def reach_of(*modules: nn.Module, stride: int = 1) -> int:
    """The reach in input pixels of ``modules`` one after the other, each walked through in its order of registration.

    Convolutions, transposed ones, average pools and pixel (un)shuffles count; other layers look at one place only.
    What lies on shorter ways beside these layers (skips, sums) is not to be among the modules. ``stride`` is the
    period with which the net treats places alike: the product of its strides.
    """
    layers = [layer for module in modules for layer in module.modules()]
    farthest = 0
    for place in range(stride):
        low = high = place
        for layer in reversed(layers):
            low, high = _seen(layer, low, high)
        farthest = max(farthest, place - low, high - place)
    return farthest


def _seen(layer: nn.Module, low: int, high: int) -> tuple[int, int]:
    """The first and last input place that the output places from ``low`` to ``high`` of ``layer`` look at."""
    if isinstance(layer, nn.ConvTranspose2d):
        padding, step = int(layer.padding[0]), layer.stride[0]
        window = layer.dilation[0] * (layer.kernel_size[0] - 1)
        return -((window - low - padding) // step), (high + padding) // step  # -(-a // b) rounds up
    if isinstance(layer, nn.Conv2d):
        padding, step = int(layer.padding[0]), layer.stride[0]
        return low * step - padding, high * step - padding + layer.dilation[0] * (layer.kernel_size[0] - 1)
    if isinstance(layer, nn.AvgPool2d):
        side = int(layer.kernel_size)  # type: ignore[arg-type]
        return low * side, high * side + side - 1
    if isinstance(layer, nn.PixelUnshuffle):
        side = layer.downscale_factor
        return low * side, high * side + side - 1
    if isinstance(layer, nn.PixelShuffle):
        return low // layer.upscale_factor, high // layer.upscale_factor
    return low, high

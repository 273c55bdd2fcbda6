"""What a camera does to a photograph besides demosaicing, as far as its noise is concerned.

That is colours, smoothing, and the halved chroma of its files.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from denoise_cli.noise.levels import Level
from denoise_cli.shapes import luma

_GAINS = ((1.2, 2.4), (1.0, 1.0), (1.2, 2.0))  # of red, green and blue
_MATRIX = ((0.6, -0.5, -0.1), (-0.2, 0.5, -0.3), (0.0, -0.5, 0.5))  # what a vivid camera adds to each colour
_GRAY_SHARE = (0.0, 0.6)  # how far luma is smoothed, as a share of how far colour is
_KEPT = 0.75  # of the noise's deviation: the slope of luma, in a pixel, at which half of the smoothing is left
_BESIDE = 1.5  # pixels, sigma: how far beside an edge the noise is not smoothed either
_CRISP = (1.0, 2.0)  # times that what smoothing takes of luma's noise comes back on edges, as cameras sharpen these
_WINDOW = 2.5  # radius of the Gaussian window, in its sigmas


@dataclass(frozen=True)
class Colours:
    """White balance and colour matrix, which make the sensor's noise stronger, and common to the channels.

    Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, section 3; random gains and a random
    vividness of one typical matrix, whose rows sum to 1, in place of the matrices of four cameras.
    """

    mixing: Tensor  # (N, 3, 3), from what the sensor saw to linear red, green and blue

    @classmethod
    def draw(cls, count: int, generator: Generator) -> "Colours":
        """Gains of red between 1.2 and 2.4, of blue between 1.2 and 2, and a matrix from none to a vivid one."""
        uniform = torch.rand((count, 3), generator=generator, device=generator.device)
        low, high = torch.tensor(_GAINS, device=generator.device).unbind(1)
        vivid = torch.rand((count, 1, 1), generator=generator, device=generator.device)
        matrix = torch.eye(3, device=generator.device) + vivid * torch.tensor(_MATRIX, device=generator.device)
        return cls(matrix * (low + (high - low) * uniform)[:, None, :])

    def __call__(self, sensed: Tensor) -> Tensor:
        """Linear colours (N, 3, H, W), not clipped, of what the sensor saw."""
        return torch.einsum("nij,njhw->nihw", self.mixing, sensed)

    def undo(self, light: Tensor) -> Tensor:
        """What the sensor saw of linear colours (N, 3, H, W); colours that it cannot see become the nearest ones."""
        return torch.einsum("nij,njhw->nihw", torch.linalg.inv(self.mixing), light).clamp(0, 1)

    def deviation(self, sigma: Tensor) -> Tensor:
        """The deviation in linear colours where that on the sensor is ``sigma`` (N, 3, H, W)."""
        return torch.einsum("nij,njhw->nihw", self.mixing.square(), sigma.square()).sqrt()


@dataclass(frozen=True)
class Smoothing:
    """What a camera's own noise reduction leaves of noise: blurred, colour far more than luma.

    It is applied to the noise alone; an edge that a camera keeps stays as it is, and luma's noise there too, sharpened
    with it. Measured on real photographs and the means of many of them (Nam et al., "A Holistic Approach to
    Cross-Channel Image Noise Modeling and its Application to Image Denoising", CVPR 2016), noise of colour has next to
    no power above an eighth of the sampling rate, and that of luma is as strong on edges as on flat surfaces in one
    camera, and twice as strong, with five times the power at a third of the sampling rate, in another.
    """

    colour: Tensor  # (N, 1, 1, 1), sigma in pixels; 0 for none
    luma: Tensor
    crisp: Tensor  # how much stronger luma's noise is on edges; 1 where it is just kept

    @classmethod
    def draw(cls, pixels: Level, count: int, generator: Generator) -> "Smoothing":
        """Colour by so many ``pixels``, luma by none to six tenths of that, sharpened once to twice on edges."""
        colour = pixels.draw(count, generator)
        share, crisp = torch.rand((2, count, 1, 1, 1), generator=generator, device=generator.device)
        gray = colour * (_GRAY_SHARE[0] + (_GRAY_SHARE[1] - _GRAY_SHARE[0]) * share)
        return cls(colour, gray, _CRISP[0] + (_CRISP[1] - _CRISP[0]) * crisp)

    def __call__(self, noise: Tensor, photo: Tensor) -> Tensor:
        """``noise`` (N, 3, H, W), smoothed, on the noise-free ``photo`` of that shape."""
        gray = luma(noise)
        smooth = _blur(gray, self.luma)
        kept = self.crisp * _edges(luma(photo), gray) * (gray - smooth)
        return smooth + kept + _blur(noise - gray, self.colour)


def halve_chroma(photo: Tensor) -> Tensor:
    """``photo`` (N, 3, H, W) with the resolution of colour that a JPEG file of 4:2:0 has left, and no other loss."""
    gray, (height, width) = luma(photo), photo.shape[-2:]
    colour = functional.pad(photo - gray, (0, width % 2, 0, height % 2), mode="replicate")
    halved = functional.avg_pool2d(colour, 2)
    full = functional.interpolate(halved, scale_factor=2, mode="bilinear", align_corners=False)
    return (gray + full[..., :height, :width]).clamp(0, 1)


def _edges(gray: Tensor, noise: Tensor) -> Tensor:
    """1 on the edges of ``gray`` (N, 1, H, W) that stand out of ``noise`` of that shape, 0 far from them."""
    right = functional.pad(gray, (0, 1, 0, 0), mode="replicate").diff(dim=3)
    below = functional.pad(gray, (0, 0, 0, 1), mode="replicate").diff(dim=2)
    slope = _blur(right.square() + below.square(), gray.new_full((len(gray), 1, 1, 1), _BESIDE))
    flat = (_KEPT * noise).square().mean((1, 2, 3), keepdim=True)
    return slope / (slope + flat).clamp_min(torch.finfo(gray.dtype).tiny)


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """``image`` (N, C, H, W) under a Gaussian window of each one's own ``sigma`` (N, 1, 1, 1), its border repeated."""
    radius = int(torch.ceil(_WINDOW * sigma.amax()))
    if radius == 0:
        return image
    offsets = torch.arange(-radius, radius + 1, device=image.device)
    window = torch.exp(-offsets.square() / (2 * sigma.clamp_min(1e-3).square()))  # (N, 1, 1, K)
    window = (window / window.sum(3, keepdim=True)).to(image.dtype).repeat_interleave(image.shape[1], 0)
    planes = functional.pad(image, (radius,) * 4, mode="replicate").flatten(0, 1).unsqueeze(0)  # (1, N C, H, W)
    rows = functional.conv2d(planes, window, groups=len(window))
    return functional.conv2d(rows, window.transpose(2, 3), groups=len(window)).view(image.shape)

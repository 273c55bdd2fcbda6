"""BM3D: blocks that look alike are stacked and denoised together, first by a threshold, then by a Wiener filter.

Kostadin Dabov, Alessandro Foi, Vladimir Katkovnik, Karen Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain
Collaborative Filtering", IEEE Transactions on Image Processing, 2007; in colour (section V-B) as CBM3D.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli.errors import UsageError
from denoise_cli.layers.grouping import Transform, filter_groups, hard_threshold, wiener
from denoise_cli.layers.matching import Search
from denoise_cli.method import Method
from denoise_cli.noise.estimate import known_sigma
from denoise_cli.noise.levels import on_unit

_HIGH = 40 / 255  # sigma above which the parameters for strong noise are taken
_SIDE = 8
_STEP = 3
_KAISER = 2.0  # shape of the window under which blocks overlap
_OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (1 / 2, 0.0, -1 / 2), (1 / 4, -1 / 2, 1 / 4))  # luminance first
_BIOR = (0.01657281518405971, -0.01657281518405971, -0.12153397801643787, 0.12153397801643787, 0.7071067811865476)


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    window: int = 39  # side of the window searched, odd, pixels


@dataclass(frozen=True)
class _Profile:
    """The authors' parameters, for the threshold and for the Wiener filter."""

    most: tuple[int, int]  # blocks in a group
    limit: tuple[float, float]  # largest mean squared difference, on the scale to 255
    threshold: float  # of a group's spectrum, in sigma


_NORMAL = _Profile(most=(16, 32), limit=(3000, 400), threshold=2.7)
_STRONG = _Profile(most=(32, 32), limit=(25000, 3500), threshold=2.8)


class BM3D:
    """Colours are taken apart into luminance, on which blocks are compared, and two differences; others stay apart."""

    stride = _STEP
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The noise on [0, 1], measured on the whole image (1, C, H, W) unless given.

        Raises ``UsageError`` for a window that is even or not positive, and for a level below 0.
        """
        if options.window < 1 or options.window % 2 == 0:
            raise UsageError(f"bm3d: window cannot be {options.window}.", "It is odd: 21, 39 ...")
        return replace(options, sigma=known_sigma(options.sigma, noisy, "bm3d"))

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W); a level that is not given is measured on each image."""
        if options.sigma is None:
            return torch.cat([self.denoise(image[None], self.settle(image[None], options)) for image in noisy])
        sigma = on_unit(options.sigma)
        if sigma == 0:
            return noisy.clamp(0, 1)
        if noisy.shape[1] != 3:
            planes, back = noisy.flatten(0, 1).unsqueeze(1), torch.ones((1, 1))
        else:
            planes, back = noisy, torch.tensor(_OPPONENT)
        to = back.to(noisy.device)
        levels = sigma * to.square().sum(dim=1).sqrt()[:, None, None]  # of the noise in each plane
        planes = torch.einsum("pc,nchw->nphw", to, planes.float()) / levels
        estimate = _two_steps(planes, levels[0].item(), sigma, options.window // 2) * levels
        return torch.einsum("cp,nphw->nchw", to.inverse(), estimate).reshape(noisy.shape).clamp(0, 1)

    def reach(self, options: Options) -> int:
        """Through a group of either step: two blocks, and the way to and from the reference block."""
        return 2 * _search(_NORMAL, 0, options.window // 2).reach


def _two_steps(planes: Tensor, level: float, sigma: float, radius: int) -> Tensor:
    """The estimate of ``planes`` (N, C, H, W), whose noise has unit variance; ``level`` is that of the first."""
    profile = _STRONG if sigma > _HIGH else _NORMAL
    first, second = _transforms(planes.device)
    threshold = partial(hard_threshold, limit=profile.threshold)
    basic = filter_groups([planes], planes[:, :1] * level, _search(profile, 0, radius), first, threshold)
    return filter_groups([planes, basic], basic[:, :1] * level, _search(profile, 1, radius), second, wiener)


def _search(profile: _Profile, step: int, radius: int) -> Search:
    return Search(_SIDE, _STEP, radius, profile.most[step], profile.limit[step])


@lru_cache
def _transforms(device: torch.device) -> tuple[Transform, Transform]:
    """Biorthogonal wavelets for the threshold, cosines for the Wiener filter; both under a Kaiser window."""
    with torch.inference_mode(False):
        line = torch.kaiser_window(_SIDE, periodic=False, beta=_KAISER)
        window = torch.outer(line, line).flatten().to(device)
        found = []
        for matrix in (_wavelets(_SIDE), _cosines(_SIDE)):
            both = torch.kron(matrix, matrix)
            found.append(Transform(both.t().float().to(device), both.inverse().t().float().to(device), window))
    return found[0], found[1]


def _cosines(size: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II) as a matrix."""
    places = torch.arange(size, dtype=torch.float64)
    matrix: Tensor = torch.cos(pi / size * (places + 0.5) * places[:, None]) * (2 / size) ** 0.5
    matrix[0] /= 2**0.5
    return matrix


def _wavelets(size: int) -> Tensor:
    """The periodic biorthogonal wavelet transform 1.5, all its levels, as a matrix with rows of norm 1."""
    low = torch.tensor(_BIOR + _BIOR[::-1], dtype=torch.float64)
    smooth = torch.eye(size, dtype=torch.float64)
    details: list[Tensor] = []
    while len(smooth) > 1:
        pairs = len(smooth) // 2
        details.append(smooth[0::2] - smooth[1::2])
        places = (2 * torch.arange(pairs)[:, None] + torch.arange(-4, 6)) % len(smooth)
        smooth = torch.einsum("k,pkn->pn", low, smooth[places])
    matrix = torch.cat([smooth, *reversed(details)])
    return functional.normalize(matrix, dim=1)


METHOD = Method(
    make=BM3D,
    config=Config(),
    options=Options(),
    summary="stacks blocks that look alike and denoises them together, in two steps",
    paper="Dabov, Foi, Katkovnik, Egiazarian: Image Denoising by Sparse 3-D Collaborative Filtering, IEEE TIP 2007",
)

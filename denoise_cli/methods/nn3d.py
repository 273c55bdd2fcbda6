"""NN3D: a net and a non-local filter in turns; the filter evens out what the net left unlike in blocks that are alike.

Cristovao Cruz, Alessandro Foi, Vladimir Katkovnik, Karen Egiazarian, "Nonlocality-Reinforced Convolutional Neural
Networks for Image Denoising", IEEE Signal Processing Letters, 2018. ``nn3d:dncnn`` is the one around DnCNN.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, make_dataclass, replace
from functools import lru_cache
from math import inf, lcm
from typing import Any

import torch
from torch import Tensor

from denoise_cli import methods
from denoise_cli.errors import UsageError
from denoise_cli.layers.grouping import Transform, filter_groups, wiener
from denoise_cli.layers.matching import Search
from denoise_cli.method import Denoiser, Method
from denoise_cli.noise.estimate import known_sigma
from denoise_cli.noise.levels import on_unit

_SIDE, _MOST, _STEP = 10, 32, 3  # of a block, of a group, between reference blocks
_SHARE = 1 / 4  # what the filter takes for the deviation of the net's error, in units of the noise


@dataclass(frozen=True)
class Config:
    """What is wrapped."""

    net: str = "nlm"  # name of a method


@dataclass(frozen=True)
class Options:
    """What can be turned at run time, besides the options of the net."""

    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    rounds: int = 2  # of net and filter
    search: int = 39  # side of the window searched for like blocks, odd, pixels


class NN3D:
    """Nets that are told the level get that of each round; others see no other noise than they were trained for.

    Stronger noise is made weaker, and the image darker with it. For a net that only knows strong noise, more of the
    noisy image is mixed into the later rounds.
    """

    def __init__(self, config: Config) -> None:
        card = methods.find(config.net)
        self._options = card.options
        net = card.make(card.config)
        if not isinstance(net, Denoiser):
            raise UsageError(f"nn3d: {config.net} does not denoise.", "Name a model that does, as in nn3d:dncnn.")
        self.net: Denoiser = net
        self._levels = (0.0, inf)  # of the noise that the net is at home with

    def around(self, net: Denoiser, levels: tuple[float, float] | None) -> "NN3D":
        """The same with another net of the method, for noise between ``levels``, on [0, 1]."""
        self.net, self._levels = net, (0.0, inf) if levels is None else levels
        return self

    @property
    def channels(self) -> int | None:
        """Those of the net."""
        return self.net.channels

    @property
    def stride(self) -> int:
        """That of the net, in steps from one reference block to the next."""
        return lcm(self.net.stride, _STEP)

    def settle(self, noisy: Tensor, options: Any) -> Any:
        """The noise on [0, 1], measured on the whole image (1, C, H, W) unless given, and what the net leaves open.

        Raises ``UsageError`` for a level below 0, no rounds, and a window that is even or not positive.
        """
        if options.rounds < 1:
            raise UsageError(f"nn3d: rounds cannot be {options.rounds}.", "At least 1; the paper has 2.")
        if options.search < 1 or options.search % 2 == 0:
            raise UsageError(f"nn3d: search cannot be {options.search}.", "It is odd: 21, 39 ...")
        options = replace(options, sigma=known_sigma(options.sigma, noisy, "nn3d"))
        settled = self.net.settle(noisy, self._own(options))
        return replace(options, **{name: getattr(settled, name) for name in _names(settled) if name != "sigma"})

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W); a level that is not given is measured on each image."""
        if options.sigma is None:
            return torch.cat([self.denoise(image[None], self.settle(image[None], options)) for image in noisy])
        *_, estimate = self.stages(noisy, options)
        return estimate

    def stages(self, noisy: Tensor, options: Any) -> Iterator[Tensor]:
        """The estimates (N, C, H, W) of the net and of the filter by turns: algorithm 1 of the paper."""
        sigma = on_unit(options.sigma)
        search = Search(_SIDE, _STEP, options.search // 2, _MOST)
        estimate, guide = noisy, None
        for turn in range(1, options.rounds + 1):
            share = 1 if sigma == 0 else min(1, max(1 / turn, self._levels[0] / sigma))
            level = share * sigma
            mixed = share * noisy + (1 - share) * estimate
            estimate = self._ask(mixed, level, options)
            yield estimate
            guide = estimate.mean(dim=1, keepdim=True) if guide is None else guide
            spread = max(_SHARE * level, 1e-6)
            estimate = filter_groups([estimate / spread], guide, search, _plain(noisy.device), wiener) * spread
            estimate = estimate.clamp(0, 1)
            yield estimate

    def reach(self, options: Any) -> int | None:
        """In each round that of the net and that of a group."""
        reach = self.net.reach(self._own(options))
        group = Search(_SIDE, _STEP, options.search // 2, _MOST).reach
        return None if reach is None else options.rounds * (reach + group)

    def _ask(self, noisy: Tensor, level: float, options: Any) -> Tensor:
        """The net's estimate; noise that is too strong for it comes down to its strongest."""
        factor = min(1.0, self._levels[1] / level) if level > 0 else 1.0
        own = self._own(options)
        if hasattr(own, "sigma"):
            own = replace(own, sigma=level * factor)
        return (self.net.denoise(noisy * factor, own) / factor).float().clamp(0, 1)

    def _own(self, options: Any) -> Any:
        """The net's own among the options."""
        return replace(self._options, **{name: getattr(options, name) for name in _names(self._options)})


class IterativeNN3D(NN3D):
    """Around a net that iterates."""

    def estimates(self, noisy: Tensor, options: Any, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates where the net takes so many iterations in each round, and nothing else stops it."""
        if hasattr(options, "stop"):
            options = replace(options, stop="none")
        return [self.denoise(noisy, replace(options, iters=count)) for count in counts]


def wrap(inner: Method) -> Method:
    """The card around the method of another card, with the options of both."""
    own = fields(Options)
    others = [other for other in fields(inner.options) if other.name not in _names(Options())]
    both = [(one.name, one.type, field(default=one.default)) for one in (*own, *others)]
    return Method(
        make=IterativeNN3D if hasattr(inner.options, "iters") else NN3D,
        config=Config(inner.name),
        options=make_dataclass("Options", both, frozen=True)(),
        summary="another model (nn3d:dncnn) and a non-local filter in turns; nn3d alone takes nlm",
        paper="Cruz, Foi, Katkovnik, Egiazarian: Nonlocality-Reinforced Convolutional Neural Networks, IEEE SPL 2018",
        wrap=wrap,
        inner=inner,
    )


def _names(options: Any) -> set[str]:
    return {one.name for one in fields(options)}


@lru_cache
def _plain(device: torch.device) -> Transform:
    """Blocks as they are; the transform is along the group alone."""
    with torch.inference_mode(False):
        numbers = _SIDE * _SIDE
        same = torch.eye(numbers, device=device)
        return Transform(same, same, torch.ones(numbers, device=device))


METHOD = replace(wrap(methods.find(Config().net)), inner=None)

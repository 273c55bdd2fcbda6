"""The neural tangent kernel of a convolutional net as a non-local filter: what a wide net fitted to the image would do.

Julian Tachella, Junqi Tang, Mike Davies, "The Neural Tangent Link Between CNN Denoisers and Non-Local Filters", CVPR
2021. The net is one layer of r x r windows, ReLU, and a linear output, infinitely wide; the image goes in, and
gradient descent fits it to itself. That is twicing, z <- z + eta Theta (y - z), with a kernel Theta between all pairs
of patches, here approximated from some of its columns (Nystrom) and iterated in closed form.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.errors import UsageError
from denoise_cli.fitting import memory
from denoise_cli.method import Method
from denoise_cli.noise.estimate import known_sigma
from denoise_cli.shapes import surround

RULES = RISK, DISCREPANCY = "risk", "discrepancy"
_WHOLE = 1 << 17  # pixels up to which an image is one piece; the work takes some 16 bytes for each and each point
_SIDE = 256  # of the pieces of a larger one
_MARGIN = 16  # pixels of its neighbours that a piece sees
_ROWS = 8192  # of the kernel at a time
_COLUMNS, _BLOCKS, _SQUARES, _PATCHES = 3, 10, 8, 2  # tensors of each kind that are there at once, at most
_MORE = 1.25  # times what they take, for what is not given back in time
_LEAST = 1e-7  # of the largest eigenvalue of the points' kernel: smaller ones are dropped
_DECADES, _LOOKS = 7, 20  # numbers of steps that are looked at: to 10^7, so many in each decade
_PROBE = 0.1  # of sigma: the noise that is added to see how the estimate follows it


@dataclass(frozen=True)
class Config:
    """Nothing to build."""


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    side: int = 11  # of the patches, odd, pixels
    points: int = 655  # columns of the kernel that are computed; 0.5 to 2 % of the pixels suffice
    steps: int | None = None  # of twicing; where not given, by ``stop``
    stop: str = RISK  # least estimated risk (SURE), or discrepancy: the residual is as large as the noise
    sigma: float | None = None  # standard deviation of the noise on [0, 1], or 0..255 if above 1; measured if not given
    first: bool = True  # the kernel's term of the first layer too; its weight vanishes in PyTorch's parametrisation
    seed: int = 0


class TangentFilter:
    """The patches must not be centred: their length and the angle from the origin carry the picture."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        pass

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The noise measured on the image (1, C, H, W) unless given; raises ``UsageError`` for what cannot be."""
        if options.side < 1 or options.side % 2 == 0 or options.points < 1:
            raise UsageError(
                f"ntk: side {options.side} and points {options.points} cannot be.", "side is odd, points are 1 or more."
            )
        if options.stop not in RULES or (options.steps is not None and options.steps < 1):
            raise UsageError(
                f"ntk: stop {options.stop!r} and steps {options.steps} cannot be.",
                f"stop is {' or '.join(RULES)}; steps are 1 or more, or null.",
            )
        return replace(options, sigma=known_sigma(options.sigma, noisy, "ntk"))

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W). Above 131,072 pixels piece by piece, of 256 x 256 and a margin.

        Raises ``DeviceError`` where the largest piece will not fit into memory.
        """
        with torch.autocast(noisy.device.type, enabled=False):
            return torch.cat([self._whole(image[None], self.settle(image[None], options)) for image in noisy])

    def reach(self, options: Options) -> None:
        """The whole image, or the piece."""

    def _whole(self, noisy: Tensor, options: Options) -> Tensor:
        ensure_memory(noisy, options)
        estimate = torch.empty_like(noisy)
        for rows, columns, seen_rows, seen_columns in _pieces(*noisy.shape[-2:]):
            piece = noisy[..., seen_rows, seen_columns]
            answer = tangent_filter(piece, options).estimate
            top, left = rows.start - seen_rows.start, columns.start - seen_columns.start
            height, width = rows.stop - rows.start, columns.stop - columns.start
            estimate[..., rows, columns] = answer[..., top : top + height, left : left + width]
        return estimate.clamp(0, 1)


@dataclass(frozen=True)
class Filtered:
    """What twicing made of an image."""

    estimate: Tensor  # (1, C, H, W), not clipped
    steps: int


@dataclass(frozen=True)
class Spectrum:
    """The kernel of an image by its eigenvectors ``C M``, as a filter of its pixels."""

    columns: Tensor  # C, (N, m) float32: the kernel between all patches and the points
    mixing: Tensor  # M, (m, k) float64
    values: Tensor  # (k,) float64, eigenvalues over the largest one
    pixels: Tensor  # (N, channels): the noisy image

    def along(self, pixels: Tensor) -> Tensor:
        """``pixels`` (N, channels) along each eigenvector: (k, channels) float64."""
        total = torch.zeros((self.columns.shape[1], pixels.shape[1]), dtype=torch.float64, device=pixels.device)
        for block, part in zip(torch.split(self.columns, _ROWS), torch.split(pixels, _ROWS), strict=True):
            total += block.double().T @ part.double()
        return self.mixing.T @ total

    def fitted(self, steps: int | float) -> Tensor:
        """Which part of each eigenvector is in the estimate after so many steps: (k,)."""
        return 1 - (1 - self.values).clamp_min(0) ** steps

    def apply(self, steps: int) -> Tensor:
        """The estimate after so many steps: (N, channels)."""
        mixed = self.mixing @ (self.fitted(steps)[:, None] * self.along(self.pixels))
        return torch.cat([(block.double() @ mixed).float() for block in torch.split(self.columns, _ROWS)])


def ensure_memory(noisy: Tensor, options: Options) -> None:
    """Raise ``DeviceError`` where the work on the largest piece of an image (1, C, H, W) will not fit into memory."""
    shapes = ((rows.stop - rows.start, line.stop - line.start) for _, _, rows, line in _pieces(*noisy.shape[-2:]))
    height, width = max(shapes, key=math.prod)
    pixels = height * width
    points = min(options.points, pixels)
    numbers = points * (_COLUMNS * pixels + _BLOCKS * min(_ROWS, pixels)) + 2 * _SQUARES * points**2
    need = 4 * _MORE * (numbers + _PATCHES * pixels * noisy.shape[1] * options.side**2)
    if (part := memory.part_that_fits(need, noisy.device)) < 1:
        hint = f"Take fewer --points, such as {max(1, int(part * points))}, or a smaller --side."
        raise memory.shortage(f"The kernel of {width}x{height} pixels and {points} points", need, noisy.device, hint)


def tangent_filter(noisy: Tensor, options: Options) -> Filtered:
    """Filter one image (1, C, H, W) by as many steps as ``options`` say; ``options.sigma`` is known."""
    spectrum = decompose(noisy, options)
    if not len(spectrum.values):
        return Filtered(noisy.clone(), 0)
    count = options.steps
    if count is None:
        counts = sorted({round(10 ** (index / _LOOKS)) for index in range(_DECADES * _LOOKS + 1)})
        risks = residuals(spectrum, counts) if options.stop == DISCREPANCY else risk(noisy, spectrum, options, counts)
        count = _stopped(counts, risks, noisy, options)
    return Filtered(spectrum.apply(count).T.reshape(noisy.shape), count)


def residuals(spectrum: Spectrum, counts: Sequence[float]) -> list[float]:
    """The sum of squares of the noisy image less the estimate after each of ``counts`` steps."""
    parts = spectrum.along(spectrum.pixels).square().sum(dim=1)
    energy = spectrum.pixels.double().square().sum()
    return [(energy - (parts * (1 - (1 - spectrum.fitted(count)) ** 2)).sum()).item() for count in counts]


def risk(noisy: Tensor, spectrum: Spectrum, options: Options, counts: Sequence[float]) -> list[float]:
    """Stein's unbiased estimate of the squared error after each of ``counts`` steps, but for a constant.

    Residual + 2 sigma^2 divergence. The kernel comes from the noisy image too, which its trace would not count; so the
    divergence is measured by a second kernel, of the image with a little noise more: Ramani, Blu, Unser, "Monte-Carlo
    SURE", IEEE TIP 2008.
    """
    assert options.sigma is not None
    step = max(_PROBE * options.sigma, 1e-4)
    probe = torch.randn(noisy.shape, generator=seeds.generator(options.seed, "ntk", "probe")).to(noisy)
    moved = decompose(noisy + step * probe, options)
    flat = probe[0].flatten(1).T
    here, there = (
        (kernel_of.along(kernel_of.pixels) * kernel_of.along(flat)).sum(dim=1) for kernel_of in (spectrum, moved)
    )
    weight = 2 * options.sigma**2 / step
    return [
        residual + weight * ((moved.fitted(count) * there).sum() - (spectrum.fitted(count) * here).sum()).item()
        for count, residual in zip(counts, residuals(spectrum, counts), strict=True)
    ]


def _stopped(counts: Sequence[float], scores: Sequence[float], noisy: Tensor, options: Options) -> int:
    """The first of ``counts`` whose residual is that of the noise, or the one of least risk."""
    assert options.sigma is not None
    if options.stop == RISK:
        return int(counts[min(range(len(counts)), key=scores.__getitem__)])
    within = noisy.numel() * options.sigma**2
    return int(next((count for count, score in zip(counts, scores, strict=True) if score <= within), counts[-1]))


def decompose(noisy: Tensor, options: Options) -> Spectrum:
    """The kernel of one image (1, C, H, W) from some of its columns; without eigenvectors where it vanishes.

    Nystrom: with C the columns and U E U' the kernel of the points among themselves, Theta = L L' for
    L = C U E^-1/2, and the eigenvectors of L' L make those of Theta.
    """
    patches = patches_of(noisy, options.side)
    number = patches.shape[0]
    order = torch.randperm(number, generator=seeds.generator(options.seed, "ntk"))
    chosen = patches[order[: min(options.points, number)].to(patches.device)]
    columns = torch.cat([kernel(block, chosen, options.first) for block in torch.split(patches, _ROWS)])  # (N, m)
    among = kernel(chosen.double(), chosen.double(), options.first)
    values, vectors = torch.linalg.eigh((among + among.T) / 2)
    kept = values > _LEAST * values[-1].clamp_min(1e-12)
    root = vectors[:, kept] / values[kept].sqrt()  # (m, k): L = C root
    product = torch.zeros_like(among)
    for block in torch.split(columns, _ROWS):
        product += block.double().T @ block.double()
    squares, turns = torch.linalg.eigh(root.T @ product @ root)
    large = squares > _LEAST * squares[-1:].clamp_min(1e-12)
    mixing = root @ (turns[:, large] / squares[large].sqrt())
    spectrum = squares[large]
    scaled = spectrum / spectrum.max() if len(spectrum) else spectrum
    return Spectrum(columns, mixing, scaled, noisy[0].flatten(1).T)


def kernel(patches: Tensor, others: Tensor, first: bool = True) -> Tensor:
    """The tangent kernel between patches (N, D) and others (M, D): (N, M); without or with the first layer's term."""
    lengths = patches.norm(dim=1, keepdim=True) * others.norm(dim=1)
    products = patches @ others.T
    cosine = (products / lengths.clamp_min(1e-12)).clamp(-1, 1)
    rest = (math.pi - cosine.acos()) / math.pi
    last: Tensor = lengths * ((1 - cosine.square()).clamp_min(0).sqrt() / math.pi + rest * cosine)
    return last + products * rest if first else last


def patches_of(noisy: Tensor, side: int) -> Tensor:
    """The patch around every pixel of (1, C, H, W), reflected at borders: (N, C side^2), of root mean square length."""
    around = side // 2
    padded = surround(noisy, "reflect", around, around, around, around)
    windows = padded[0].unfold(1, side, 1).unfold(2, side, 1)  # (C, H, W, side, side)
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, noisy.shape[1] * side * side) / math.sqrt(side * side)


def _pieces(height: int, width: int) -> Iterator[tuple[slice, slice, slice, slice]]:
    """Rows and columns of each piece, and those it sees."""
    if height * width <= _WHOLE:
        yield (slice(0, height), slice(0, width)) * 2
        return
    for top, bottom in _cuts(height):
        for left, right in _cuts(width):
            rows = slice(max(0, top - _MARGIN), min(height, bottom + _MARGIN))
            columns = slice(max(0, left - _MARGIN), min(width, right + _MARGIN))
            yield slice(top, bottom), slice(left, right), rows, columns


def _cuts(length: int) -> list[tuple[int, int]]:
    """Nearly equal parts of at most ``_SIDE``."""
    count = -(-length // _SIDE)
    edges = [round(index * length / count) for index in range(count + 1)]
    return list(pairwise(edges))


METHOD = Method(
    make=TangentFilter,
    config=Config(),
    options=Options(),
    summary="neural tangent kernel of a wide convolutional net, as a non-local filter; nothing to train",
    paper="Tachella, Tang, Davies: The Neural Tangent Link Between CNN Denoisers and Non-Local Filters, CVPR 2021",
)

"""Block matching: for blocks on a regular grid, the blocks around them that look most alike.

All distances are sums of squares of whole numbers, which float32 holds exactly: so the choice depends neither on how
the image was cut nor on the machine. Letters: D numbers that describe a block, L positions in a band of rows (every
pixel of it is the corner of a block), K blocks of a group, R reference blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_SIDE = (
    4  # reference blocks in a row and in a column of a tile, which are compared with all blocks around by one product
)
_TILES_AT_ONCE = {"cpu": 1 << 4, "cuda": 1 << 10}  # on a CPU they stay in the cache
_BAND = {"cpu": 1 << 22, "cuda": 1 << 28}  # numbers in the tables of a band
_HEAP = 8  # numbers of which first the smallest is looked at
_FAR = 1e12  # instead of the distance to what is no block of the image
_WHOLE = 255.0  # intensities are rounded to this part of 1
_WIDEST = 1.25  # largest distance from 0.5 that counts: with 12 x 12 such pixels, sums stay below 2 ** 24


@dataclass(frozen=True)
class Search:
    """What is compared with what."""

    side: int  # of a block, pixels
    step: int  # between reference blocks, pixels
    radius: int  # farthest displacement in rows and in columns, pixels
    most: int  # blocks in a group, itself included; a power of two
    limit: float = float("inf")  # largest mean squared difference of blocks that are alike, on the scale to 255

    @property
    def reach(self) -> int:
        """How far from a pixel another one can be, through a group, in pixels."""
        return 2 * self.radius + 2 * (self.side - 1)


@dataclass(frozen=True)
class Grid:
    """The places of reference blocks in images of one size, and a frame around the image that makes them tiles."""

    search: Search
    height: int  # of the image
    width: int

    def counts(self) -> tuple[int, int]:
        """Rows and columns of reference blocks, which cover the image."""
        side, step = self.search.side, self.search.step
        return -(-max(0, self.height - side) // step) + 1, -(-max(0, self.width - side) // step) + 1

    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        rows, columns = self.counts()
        return -(-rows // _SIDE), -(-columns // _SIDE)

    @property
    def pitch(self) -> int:
        """Pixels from tile to tile."""
        return _SIDE * self.search.step

    @property
    def margin(self) -> int:
        """Rows of corners that a band has beside its tiles."""
        return 2 * self.search.radius + 1 - self.search.step

    def frame(self, image: Tensor) -> Tensor:
        """``image`` (N, C, H, W) continued until blocks cover it, in zeros that complete the tiles: (N, C, Y, X)."""
        rows, columns = self.counts()
        side, step, radius = self.search.side, self.search.step, self.search.radius
        below = (rows - 1) * step + side - self.height
        right = (columns - 1) * step + side - self.width
        mode = "reflect" if below < self.height and right < self.width else "replicate"
        grown = functional.pad(image, (0, right, 0, below), mode=mode) if below or right else image
        down, across = self.tiles()
        height, width = (count * self.pitch + self.margin + side for count in (down, across))
        bottom, end = height - radius - grown.shape[-2], width - radius - grown.shape[-1]
        return functional.pad(grown, (radius, end, radius, bottom))

    def corners(self, framed: Tensor) -> Tensor:
        """Which pixels of the frame are corners of blocks within the image: (Y, X) of bool."""
        allowed = torch.zeros(framed.shape[-2:], dtype=torch.bool, device=framed.device)
        rows, columns = self.counts()
        radius, step = self.search.radius, self.search.step
        allowed[radius : radius + (rows - 1) * step + 1, radius : radius + (columns - 1) * step + 1] = True
        return allowed


@dataclass(frozen=True)
class Band:
    """Some rows of tiles."""

    top: int  # first row of the frame
    rows: int  # of corners; the blocks there need another ``side`` rows
    tiles: int  # rows of tiles


def bands(grid: Grid, framed: Tensor) -> Iterator[Band]:
    """Bands of tile rows, as many at once as the memory is to take, from top to bottom."""
    numbers = len(framed) * framed.shape[-1] * grid.search.side**2
    down, _ = grid.tiles()
    corners = _BAND.get(framed.device.type, 1 << 24) // numbers
    at_once = max(1, (corners - grid.margin) // grid.pitch)
    for first in range(0, down, at_once):
        tiles = min(at_once, down - first)
        yield Band(first * grid.pitch, tiles * grid.pitch + grid.margin, tiles)


def whole(intensities: Tensor) -> Tensor:
    """Intensities on [0, 1] as whole numbers around 0."""
    return (intensities - 0.5).clamp(-_WIDEST, _WIDEST).mul(_WHOLE).round()


def match(features: Tensor, allowed: Tensor, grid: Grid, band: Band) -> tuple[Tensor, Tensor]:
    """The groups of a band: places of their blocks (R, K), the most alike first, and how many are alike (R,).

    ``features`` (N * L, D) are whole numbers that describe the blocks at all corners of the band, of N images one after
    the other; ``allowed`` (rows, X) says which corners may be taken. Places are rows of ``features``; the first of a
    group is the reference block itself.
    """
    search, device = grid.search, features.device
    width = allowed.shape[-1]
    corners = allowed.numel()
    window = 2 * search.radius + 1
    span = (_SIDE - 1) * search.step + window  # of all blocks that a tile is compared with
    most = min(search.most, 1 << ((window * window).bit_length() - 1))
    square = span * span
    norms = features.square().sum(dim=1)
    norms[~allowed.flatten().repeat(len(features) // corners)] = _FAR
    down, across = torch.arange(band.tiles, device=device), torch.arange(grid.tiles()[1], device=device)
    starts = (down[:, None] * width + across).mul(grid.pitch).flatten()
    starts = (torch.arange(0, len(features), corners, device=device)[:, None] + starts).flatten()
    around = _places(span, 1, width, device)
    own = _places(_SIDE, search.step, width, device) + search.radius * (width + 1)
    groups, counts = [], []
    for origin in torch.split(starts, _TILES_AT_ONCE.get(device.type, 1 << 6)):
        references = (origin[:, None] + own).flatten()
        others = (origin[:, None] + around).flatten()
        there = features.index_select(0, others).view(len(origin), square, -1)
        here = features.index_select(0, references).view(len(origin), _SIDE * _SIDE, -1)
        far = norms.index_select(0, others).view(-1, 1, square)
        products = torch.baddbmm(far, here, there.transpose(1, 2), alpha=-2)  # (tiles, 16, span * span)
        apart = products.as_strided(
            (len(origin), _SIDE, _SIDE, window, window),
            (products.stride(0), _SIDE * square + search.step * span, square + search.step, span, 1),
        )
        apart = apart.reshape(len(references), -1)
        apart[:, window * window // 2] -= 1  # itself is nearer than its equals, or flat places would have no group
        nearest, indices = _smallest(apart, most)
        inside = norms[references] < _FAR
        distances = (nearest + norms[references, None])[inside]
        rows, columns = indices[inside] // window, indices[inside] % window
        groups.append(references[inside, None] + (rows - search.radius) * width + columns - search.radius)
        counts.append((distances <= min(search.limit * search.side**2, _FAR / 2)).sum(dim=1))
    return torch.cat(groups), torch.cat(counts)


def _smallest(values: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The smallest ``most`` numbers of each row of ``values`` (R, M) in ascending order, and where they are.

    They are among as many heaps of numbers, those with the smallest minima.
    """
    heaps = -(-values.shape[1] // _HEAP)
    if heaps < 2 * most:
        return values.topk(most, dim=1, largest=False)
    filled = functional.pad(values, (0, heaps * _HEAP - values.shape[1]), value=2 * _FAR)
    least = filled.view(-1, _HEAP, heaps).amin(dim=1).topk(most, dim=1, largest=False, sorted=False).indices
    indices = (least[:, None] + torch.arange(0, heaps * _HEAP, heaps, device=values.device)[:, None]).flatten(1)
    nearest = filled.gather(1, indices).topk(most, dim=1, largest=False)
    return nearest.values, indices.gather(1, nearest.indices)


def _places(count: int, step: int, width: int, device: torch.device) -> Tensor:
    """A square of ``count`` rows and columns, ``step`` apart, as places in rows of ``width``."""
    line = torch.arange(0, count * step, step, device=device)
    return (line[:, None] * width + line).flatten()

"""The pairs of each step: a function of the seed, the attempt and the step, whoever makes them."""

from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter

import torch
from torch import Tensor

from denoise_cli import seeds
from denoise_cli.data.patches import Patches
from denoise_cli.method import Recipe
from denoise_cli.noise import Noise, Pair, as_pair, stored
from denoise_cli.shapes import luma
from denoise_cli.training.portions import Portions
from denoise_cli.training.teacher import Teacher, either

BLOCK = 32  # patches that get their noise together, from one generator


@dataclass(frozen=True)
class Batches:
    """Makes the pairs of each step, or a part of them: the same ones, whatever the part.

    The noise is drawn block by block, so that a process makes no more than the blocks that it needs. Where the memory
    runs out they are made a few at a time.
    """

    patches: Patches
    kind: Noise | None  # None: the patches hold clean and noisy channels already
    part: range  # which patches of every batch
    teacher: Teacher | None = None  # of a share of the patches
    portions: Portions = field(default_factory=Portions)

    def at(self, recipe: Recipe, attempt: int, step: int) -> Pair:
        """The pairs of a step of an attempt. Raises ``DeviceError`` where the memory is too small for one."""

        def made(size: int) -> Pair:
            ends = (*range(self.part.start, self.part.stop, size), self.part.stop)
            return _joined([self._made(range(*both), recipe, attempt, step) for both in pairwise(ends)])

        one = f"the noise of one patch of {recipe.patch} pixels"
        return self.portions.fit(len(self.part), made, self.patches.device, one)

    def _made(self, part: range, recipe: Recipe, attempt: int, step: int) -> Pair:
        """The pairs of some patches of the batch."""
        first, last = part.start // BLOCK, -(-part.stop // BLOCK)
        made = range(first * BLOCK, min(last * BLOCK, recipe.batch))
        clean, label = self.patches.draw(recipe.batch, seeds.generator(recipe.seed, "patches", attempt, step), made)
        number = torch.arange(made.start, made.stop)[:, None, None, None]
        inside = itemgetter(slice(part.start - made.start, part.stop - made.start))
        if self.kind is None:
            return as_pair(clean)._replace(label=label, number=number).each(inside)
        chosen = self._chosen(recipe, attempt, step)[made.start : made.stop]
        blocks = [
            _noisy(block, self._noise(self.kind, taught), recipe, (attempt, step, place))
            for place, (block, taught) in enumerate(
                zip(torch.split(clean, BLOCK), torch.split(chosen, BLOCK), strict=True), first
            )
        ]
        pair = _joined(blocks)
        noisy = _some_stored(pair.noisy, step * recipe.batch + made.start, recipe.eight_bit)
        pair = pair._replace(noisy=noisy, label=label, number=number).each(inside)
        return self.teacher.taught(pair, inside(chosen)) if self.teacher else pair

    def _chosen(self, recipe: Recipe, attempt: int, step: int) -> Tensor:
        """Which patches of a batch the teacher teaches: (N, 1, 1, 1), on the CPU."""
        if self.teacher is None:
            return torch.zeros((recipe.batch, 1, 1, 1), dtype=torch.bool)
        uniform = torch.rand((recipe.batch, 1, 1, 1), generator=seeds.generator(recipe.seed, "taught", attempt, step))
        return uniform < recipe.taught

    def _noise(self, kind: Noise, chosen: Tensor) -> Noise:
        return either(chosen, self.teacher.noise, kind) if self.teacher else kind


def _noisy(clean: Tensor, kind: Noise, recipe: Recipe, key: tuple[int, ...]) -> Pair:
    """One block (N, C, H, W) with its noise."""
    pair = kind(clean, seeds.generator(recipe.seed, "noise", *key, device=clean.device))
    if clean.shape[1] == 3 and recipe.gray:
        return _with_gray(pair, kind, recipe.gray, seeds.generator(recipe.seed, "gray", *key, device=clean.device))
    return pair


def _with_gray(pair: Pair, kind: Noise, share: float, generator: torch.Generator) -> Pair:
    """``pair`` (N, 3, H, W) with about a ``share`` of its images made gray, their noise the same in all channels.

    A net that saw independent noise only takes such noise for texture, and leaves it.
    """
    chosen = torch.rand((len(pair.clean), 1, 1, 1), generator=generator, device=pair.clean.device) < share
    return kind(luma(pair.clean), generator).where(chosen, pair)


def _joined(blocks: list[Pair]) -> Pair:
    """One pair; where the level is of every value in one block, it is in all."""
    if len(blocks) == 1:
        return blocks[0]
    shape = max((block.sigma.shape[1:] for block in blocks), key=torch.Size.numel)
    blocks = [block._replace(sigma=block.sigma.expand(-1, *shape)) for block in blocks]
    return Pair(*(None if parts[0] is None else torch.cat(parts) for parts in zip(*blocks, strict=True)))  # type: ignore[arg-type]


def _some_stored(noisy: Tensor, start: int, share: float) -> Tensor:
    """``noisy``, of the run's patches from the number ``start`` on, with a ``share`` as an 8-bit file holds them.

    They are spread evenly over the steps too, so that small batches have their share as well.
    """
    bounds = torch.arange(start, start + len(noisy) + 1, dtype=torch.float64).mul(share).floor()
    chosen = (bounds.diff() > 0).to(noisy.device)
    return torch.where(chosen[:, None, None, None], stored(noisy), noisy)

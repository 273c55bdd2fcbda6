from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from denoise_cli import noise, seeds
from denoise_cli.data.patches import Patches
from denoise_cli.method import Recipe
from denoise_cli.noise import Pair
from denoise_cli.training import loop
from denoise_cli.training.distributed import Team
from denoise_cli.training.run import Run
from denoise_cli.training.validation import Validation

CPU = torch.device("cpu")
ALONE = Team()


def _smooth(seed: int, channels: int = 1, side: int = 24) -> Tensor:
    """A smooth uint8 picture (C, H, W)."""
    coarse = torch.rand((1, channels, 4, 4), generator=seeds.generator(seed))
    return nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)[0].mul(255).to(torch.uint8)


def _sets(channels: int, recipe: Recipe) -> tuple[Patches, Validation]:
    patches = Patches([[_smooth(seed, channels) for seed in range(6)]], recipe.patch, CPU)
    kept = [_smooth(seed, channels) for seed in (6, 7)]
    return patches, Validation.make(kept, noise.parse(recipe.noise), recipe.seed, CPU)


class Scripted(nn.Module):
    """A gray net that removes half of what it can, and goes wrong just when a test wants it to."""

    channels = 1
    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 9)
        self.losses: Callable[[int, Tensor], Tensor] = lambda seed, loss: loss
        self.estimates: Callable[[Tensor, Tensor], Tensor] = lambda noisy, estimate: estimate

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def reach(self, options: Any) -> int:
        return 1

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        return self.estimates(noisy, self.conv(noisy).clamp(0, 1))

    def loss(self, pair: Pair, recipe: Recipe, generator: Generator) -> Tensor:
        return self.losses(generator.initial_seed(), (self.conv(pair.noisy) - pair.clean).square().mean())


class Bench:
    """A run of a ``Scripted`` net in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.micro_batch: int | None = None
        self.recipe = Recipe(noise="gaussian:50", patch=8, batch=4, steps=40, rate=1e-4, warmup=0)
        self.losses: Callable[[int, Tensor], Tensor] = lambda seed, loss: loss
        self.estimates: Callable[[Tensor, Tensor], Tensor] = lambda noisy, estimate: estimate

    def seed(self, attempt: int, step: int) -> int:
        """What the loss's generator is seeded with, by which a script knows when it is."""
        return seeds.derive(self.recipe.seed, "loss", attempt, step)

    def make(self) -> nn.Module:
        net = Scripted()
        net.losses, net.estimates = self.losses, self.estimates
        return net

    def sets(self) -> tuple[Patches, Validation]:
        return _sets(1, self.recipe)

    def train(
        self,
        stop: Callable[[float], bool] = lambda seconds: False,
        team: Team = ALONE,
        folder: Path | None = None,
    ) -> Iterator[loop.Report]:
        """Go on with the run, as one of a ``team``; its folder can be another one."""
        run = Run("scripted", self.recipe, None, self.recipe, ("pictures",), torch.float32)
        run = replace(run, micro_batch=self.micro_batch)
        return loop.train(run, self.make, *self.sets(), folder or self.folder, stop, team)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def sets() -> Callable[[int, Recipe], tuple[Patches, Validation]]:
    """Patches of six pictures with so many channels, and two pictures to measure on."""
    return _sets

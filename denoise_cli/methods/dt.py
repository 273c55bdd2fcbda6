"""Deep thinking: one small residual block applied again and again, with the noisy image recalled each time.

Naveen Raman, Andrew Mao, Vatsal Agarwal, Aman Jaiman, "Using Recurrent Architectures to Generalize From Easy to Hard
Problems in Image Denoising"; recall and progressive loss from Bansal et al., "End-to-end Algorithm Synthesis with
Recurrent Networks: Logical Extrapolation Without Overthinking", NeurIPS 2022.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

import torch
from torch import Generator, Tensor, nn

from denoise_cli import losses
from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.layers.impulses import FILL_RADIUS, FIND_RADIUS, fill, find_impulses, impulse_share
from denoise_cli.layers.residual import ResidualBlock, conv3x3, head
from denoise_cli.method import Method, Recipe
from denoise_cli.noise import Pair

RECALLS = ("noisy", "impulses")
_GROUP_SHARE = 0.1  # largest share of the pixels that counts as unknown at once
_MOST_GROUPS = 16
_AVERAGED_FROM = 2  # visit of a group from which on its estimates are averaged


@dataclass(frozen=True)
class Config:
    """The shape of the net and what it is shown."""

    channels: int = 3
    width: int = 20
    blocks: int = 2  # residual blocks an iteration
    recall: str = "noisy"  # "noisy": the image itself; "impulses": salt and pepper located, filled and marked
    residual: bool = True  # predict what is to be added to the recalled image; False: the image, as published


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    iters: int = 20  # applications of the recurrent block
    share: float | None = None  # share of impulses, for the recall of impulses; measured where it is not given


@dataclass(frozen=True)
class Progressive(Recipe):
    """How a deep-thinking net is trained: part on all iterations, part on a few that continue others (equation 4)."""

    alpha: float = 1.0  # weight of the progressive loss; the paper tries 0, 0.5, 1
    max_iters: int = 5  # iterations with gradient
    free_iters: int | None = (
        20  # most iterations without gradient before them; None: as published, fewer than max_iters
    )
    every: bool = True  # judge every iteration with gradient; False: the last one, as published


@dataclass(frozen=True)
class State:
    """Where the thinking stands after some iterations."""

    thought: Tensor  # (N, width, H, W)
    estimate: Tensor  # (N, C, H, W), not clipped


class DeepThinking(nn.Module):
    """Projection, recurrent block, head; 27,360 weights at the published size."""

    stride = 8

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.recall not in RECALLS:
            raise UsageError(f"dt has no recall {config.recall!r}.", did_you_mean(config.recall, RECALLS))
        self.config = config
        self.channels = config.channels
        self.projection = conv3x3(config.channels, config.width)
        self.recall = conv3x3(config.width + config.channels, config.width)
        self.blocks = nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks)))
        self.head = head(config.width, config.channels)

    def forward(self, state: State | None, seen: Tensor) -> tuple[Tensor, Tensor]:
        """One iteration on the recalled image ``seen`` (N, C, H, W): the next thought and what the head makes of it."""
        thought = self.projection(seen).relu() if state is None else state.thought
        thought = self.blocks(self.recall(torch.cat((thought, seen.to(thought.dtype)), dim=1)))
        return thought, self.head(thought).float()

    def think(self, noisy: Tensor, options: Options) -> Iterator[State]:
        """The states after each iteration, without end, from noisy images (N, C, H, W)."""
        if self.config.recall == "noisy":
            return self._think_noisy(noisy)
        share = impulse_share(noisy) if options.share is None else torch.full_like(noisy[:, :1, :1, :1], options.share)
        impulses = find_impulses(noisy, share)
        groups = (share / _GROUP_SHARE).ceil().clamp(1, _MOST_GROUPS)
        return self._think_impulses(noisy, impulses, _spread(noisy), groups, average=True)

    def _think_noisy(self, noisy: Tensor) -> Iterator[State]:
        state = None
        while True:
            thought, answer = self(state, noisy)
            state = State(thought, noisy + answer if self.config.residual else answer)
            yield state

    def _think_impulses(
        self, noisy: Tensor, impulses: Tensor, spread: Tensor, groups: Tensor, *, average: bool
    ) -> Iterator[State]:
        """One group of the ``impulses`` (N, 1, H, W) after the other counts as unknown; the rest hold their estimates.

        So the net sees no more unknown pixels at once than it was trained with, however many there are. ``spread``
        (1 or N, 1, H, W) in [0, 1) assigns the pixels to the ``groups`` (N, 1, 1, 1) evenly over space. A known pixel
        is recalled as ``(value + 1) / 2``, an unknown one as the same of what surrounds it, negated: by the sign a net
        without biases can tell them apart. ``average``: from a group's second visit on its estimates are averaged, so
        that further iterations settle instead of drifting.
        """
        group = (spread * groups).floor()
        state = None
        estimate = fill(noisy, ~impulses)
        for iteration in count():
            unknown = impulses & (group == iteration % groups)
            base = fill(estimate, ~unknown)
            seen = (base + 1) / 2
            thought, answer = self(state, torch.where(unknown, -seen, seen))
            visit = (iteration / groups).floor() + 1
            weight = 1 / (visit + 1 - _AVERAGED_FROM).clamp_min(1) if average else torch.ones_like(visit)
            estimate = torch.where(unknown, torch.lerp(estimate, base + answer, weight), estimate)
            state = State(thought, estimate)
            yield state

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """The share of impulses measured on the whole image (1, C, H, W), where the net goes by it."""
        if self.config.recall != "impulses" or options.share is not None:
            return options
        return replace(options, share=impulse_share(noisy).mean().item())

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates in [0, 1], each (N, C, H, W), after each of ``counts`` (ascending) iterations."""
        states = islice(self.think(noisy, options), max(counts))
        return [state.estimate.clamp(0, 1) for done, state in enumerate(states, 1) if done in counts]

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1] after ``options.iters`` iterations: (N, C, H, W)."""
        return self.estimates(noisy, options, (options.iters,))[0]

    def reach(self, options: Options) -> int:
        """Grows with the iterations: one pixel for each 3x3 convolution, and the windows that fill impulses."""
        block = 1 + 2 * self.config.blocks
        if self.config.recall == "impulses":
            return options.iters * (block + 3 + FILL_RADIUS) + 1 + FILL_RADIUS + FIND_RADIUS
        return 1 + options.iters * block + 3

    def loss(self, pair: Pair, recipe: Progressive, generator: Generator) -> Tensor:
        """``(1 - alpha) L_fixed + alpha L_progressive`` (equation 4)."""
        criterion = losses.find(recipe.loss)
        total = torch.zeros((), device=pair.clean.device)
        if recipe.alpha < 1:
            *_, last = islice(self._practise(pair.noisy, generator), recipe.max_iters)
            total = total + (1 - recipe.alpha) * criterion(last.estimate, pair.clean)
        if recipe.alpha > 0:
            free, learning = _draw(recipe, generator)
            thinking = self._practise(pair.noisy, generator)
            with torch.no_grad():
                for _ in islice(thinking, free):
                    pass
            states = list(islice(thinking, learning))
            judged = states if recipe.every else states[-1:]
            progressive = torch.stack([criterion(state.estimate, pair.clean) for state in judged]).mean()
            total = total + recipe.alpha * progressive
        return total

    def _practise(self, noisy: Tensor, generator: Generator) -> Iterator[State]:
        """As ``think``, but impulses are in one to three groups whatever their share, drawn pixel by pixel."""
        if self.config.recall == "noisy":
            return self._think_noisy(noisy)
        share = impulse_share(noisy)
        impulses = find_impulses(noisy, share)
        groups = torch.tensor((1, 1, 2, 3))[torch.randint(4, (len(noisy), 1, 1, 1), generator=generator)]
        spread = torch.rand(impulses.shape, generator=generator)
        return self._think_impulses(noisy, impulses, spread.to(noisy.device), groups.to(noisy.device), average=False)


def _draw(recipe: Progressive, generator: Generator) -> tuple[int, int]:
    """How many iterations run without gradient, and how many with it after them."""
    most = recipe.max_iters - 1 if recipe.free_iters is None else recipe.free_iters
    free = int(torch.randint(most + 1, (), generator=generator))
    left = recipe.max_iters - free if recipe.free_iters is None else recipe.max_iters
    return free, 1 + int(torch.randint(left, (), generator=generator))


def _spread(image: Tensor) -> Tensor:
    """Numbers in [0, 1) for every pixel (1, 1, H, W), so that any band of them is spread evenly over space.

    The ordered-dither matrix of B. E. Bayer, "An optimum method for two-level rendition of continuous-tone pictures",
    ICC 1973, repeated every 8 pixels: the same wherever a tile is cut.
    """
    height, width = image.shape[-2:]
    matrix = torch.zeros((1, 1), device=image.device)
    for _ in range(3):
        quarter = 4 * matrix
        matrix = torch.cat((torch.cat((quarter, quarter + 2), 1), torch.cat((quarter + 3, quarter + 1), 1)), 0)
    down, across = -(-height // 8), -(-width // 8)
    return (matrix / 64).repeat(down, across)[None, None, :height, :width]


METHOD = Method(
    make=DeepThinking,
    config=Config(),
    options=Options(),
    summary="a small recurrent net; its iterations are free at run time",
    paper="Raman, Mao, Agarwal, Jaiman: Using Recurrent Architectures to Generalize From Easy to Hard Problems",
    recipe=Progressive(noise="gaussian:0..75", patch=48, batch=32, steps=10_000, rate=2e-3, loss="log-mse"),
)

"""Deep thinking: one small residual block applied again and again, with the noisy image recalled each time.

Naveen Raman, Andrew Mao, Vatsal Agarwal, Aman Jaiman, "Using Recurrent Architectures to Generalize From Easy to Hard
Problems in Image Denoising"; recall and progressive loss from Bansal et al., "End-to-end Algorithm Synthesis with
Recurrent Networks: Logical Extrapolation Without Overthinking", NeurIPS 2022.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from denoise_cli import losses
from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.fields import Bounds
from denoise_cli.layers.identity import start_near_identity
from denoise_cli.layers.impulses import FILL_RADIUS, FIND_RADIUS, fill, find_impulses, impulse_share, known_share, mark
from denoise_cli.layers.involution import Involution
from denoise_cli.layers.local import locally
from denoise_cli.layers.median import MedianLayer
from denoise_cli.layers.reach import reach_of
from denoise_cli.layers.residual import ResidualBlock, conv3x3, head
from denoise_cli.layers.sweeps import Turn, asked_for, rounds, sweeps, turn_of
from denoise_cli.layers.turns import turn as turned
from denoise_cli.layers.turns import turn_squares
from denoise_cli.losses.sequence import similarity
from denoise_cli.method import Graph, Method, Recipe
from denoise_cli.noise import Pair

RECALLS = ("noisy", "impulses")
FOLDS = (1, 2)
_WAYS = (0, 1, 4, 2, 3, 7, 5, 6)  # in which kernels are turned, one after the other; see ``layers.turns``
LAYOUT = torch.channels_last  # of kernels and thought: in another one, or joined with one, convolutions take longer
FILTERS = {"none": 0, "median": 1, "dynamic": 2}  # how far each looks, pixels


@dataclass(frozen=True)
class Config:
    """The shape of the net and what it is shown."""

    channels: int = 3
    width: int = 20
    blocks: int = 2  # residual blocks an iteration
    recall: str = "noisy"  # "noisy": the image itself; "impulses": salt and pepper located, filled and marked
    residual: bool = True  # predict what is to be added to the recalled image; False: the image, as published
    filter: str = "none"  # first in each iteration: "median" of 3x3 pixels, or "dynamic": an involution of 5x5
    fold: int = 1  # 2: thinks at half the size, where squares of 2x2 pixels are channels
    dilation: int = 1  # the pixels that a residual block sees are so many times as far apart as for the one before it
    turn_every: int = 0  # iterations, then anew with turned kernels, the answer being the mean; 0: never turned


@dataclass(frozen=True)
class Options:
    """What can be turned at run time."""

    iters: int = 20  # applications of the recurrent block
    share: float | None = None  # share of impulses, for the recall of impulses; measured where it is not given


@dataclass(frozen=True)
class Progressive(Recipe):
    """How a deep-thinking net is trained: part on all iterations, part on a few that continue others (equation 4)."""

    own_losses: ClassVar[tuple[str, ...]] = ("similarity",)
    bounds: ClassVar[dict[str, Bounds]] = Recipe.bounds | {
        "alpha": Bounds(0, 1), "max_iters": Bounds(1), "free_iters": Bounds(0), "gamma": Bounds(0),
    }  # fmt: skip

    alpha: float = 1.0  # weight of the progressive loss; the paper tries 0, 0.5, 1
    max_iters: int = 5  # iterations with gradient
    free_iters: int | None = 20  # most without gradient before them; None: as published, fewer than max_iters
    every: bool = True  # judge every iteration with gradient; False: the last one, as published
    gamma: float = 0.8  # of the loss `similarity`: an iteration weighs so many times what the one before does


@dataclass(frozen=True)
class State:
    """Where the thinking stands after some iterations."""

    thought: Tensor  # (N, width, H / fold, W / fold)
    estimate: Tensor  # (N, C, H, W), not clipped
    answer: Tensor  # (N, C, H, W), what this iteration made of the pixels that it was asked for
    asked: Tensor  # (N or 1, 1, H or 1, W or 1) of bool: these pixels


class DeepThinking(nn.Module):
    """Projection, recurrent block, head; 27,360 weights at the published size."""

    stride = 8

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.recall not in RECALLS:
            raise UsageError(f"dt has no recall {config.recall!r}.", did_you_mean(config.recall, RECALLS))
        if config.filter not in FILTERS:
            raise UsageError(f"dt has no filter {config.filter!r}.", did_you_mean(config.filter, FILTERS))
        folds = config.recall == "noisy" and config.width % 4 == 0
        if config.fold not in FOLDS or (config.fold > 1 and not folds):
            raise UsageError(
                f"dt has no fold {config.fold} with the recall {config.recall!r} and width {config.width}.",
                "fold is 1, or 2 with the recall noisy and a width that is a multiple of 4.",
            )
        if config.dilation < 1:
            raise UsageError(f"dt: dilation cannot be {config.dilation}.", "It is 1 or more.")
        turns = config.recall == "noisy" and config.filter == "none"
        if config.turn_every < 0 or (config.turn_every > 0 and not turns):
            raise UsageError(
                f"dt does not turn every {config.turn_every} iterations with the recall {config.recall!r} and the "
                f"filter {config.filter!r}.",
                "turn_every is 0, or above it with the recall noisy and the filter none.",
            )
        self.config = config
        self.channels = config.channels
        squares = config.fold**2 * config.channels
        self.fold, self.unfold = nn.PixelUnshuffle(config.fold), nn.PixelShuffle(config.fold)
        self.projection = conv3x3(squares, config.width)
        self.filter = _filter(config.filter, config.width + squares)
        self.recall = conv3x3(config.width + squares, config.width)
        self.blocks = nn.Sequential(*(ResidualBlock(config.width, config.dilation**n) for n in range(config.blocks)))
        self.head = head(config.width, squares, narrow=8 * config.fold)
        if config.fold > 1:  # with PyTorch's own start it learns next to nothing
            for name, layer in self.named_modules():
                if isinstance(layer, nn.Conv2d) and name.endswith("second"):
                    nn.init.orthogonal_(layer.weight, gain=0.1)  # of a residual block: what it adds
                elif isinstance(layer, nn.Conv2d) and not (config.residual and layer is self.head[-1]):
                    start_near_identity(layer)

    def forward(self, thought: Tensor | None, seen: Tensor) -> tuple[Tensor, Tensor]:
        """One iteration on the recalled image ``seen`` (N, C, H, W): the next thought and what the head makes of it."""
        folded = self.fold(seen)
        thought = self.projection(folded).relu() if thought is None else thought
        thought = self.blocks(self._recalled(thought, folded))
        return thought, self.unfold(self.head(thought)).float()

    def _recalled(self, thought: Tensor, seen: Tensor) -> Tensor:
        """The thought with the folded image ``seen`` in it, (N, width, H / fold, W / fold).

        Where convolutions are in bfloat16 they see the image twice, with the same weights: rounded, and what rounding
        took away, which is up to a level of 8 bits.
        """
        rounded = seen.to(thought.dtype, memory_format=LAYOUT)
        if rounded.dtype == seen.dtype or self.config.filter != "none":  # a filter takes no image in two parts
            return self.recall(self.filter(torch.cat((thought, rounded), dim=1)))  # type: ignore[no-any-return]
        rest = (seen - rounded).to(rounded.dtype, memory_format=LAYOUT)
        weight = torch.cat((self.recall.weight, self.recall.weight[:, -seen.shape[1] :]), dim=1)
        return functional.conv2d(torch.cat((thought, rounded, rest), dim=1), weight, padding=1)

    def think(self, noisy: Tensor, options: Options) -> Iterator[State]:
        """The states after each iteration, without end, from noisy images (N, C, H, W)."""
        if self.config.recall == "noisy":
            return self._think_noisy(noisy, self.config.turn_every)
        given = torch.full((len(noisy), 1, 1, 1), options.share or 0.0, device=noisy.device)
        share = impulse_share(noisy) if options.share is None else given
        return self._think_impulses(noisy, share, sweeps(share))

    def _think_noisy(self, noisy: Tensor, every: int = 0) -> Iterator[State]:
        """Without end; ``every`` so many iterations the kernels are turned and the thought is begun anew.

        Turned kernels do to the image what the net would do to it turned, so that estimates differ by their errors. The
        mean of those of all turns that are done is what is told.
        """
        everywhere = torch.ones((1, 1, 1, 1), dtype=torch.bool, device=noisy.device)
        mean: Tensor | None = None
        for done in count():
            net, thought = self._turned(_WAYS[done % len(_WAYS)]), None
            for number in count(1):
                thought, answer = net(thought, noisy)
                estimate = noisy + answer if self.config.residual else answer
                last = number == every
                if last:
                    mean = estimate if mean is None else torch.lerp(mean, estimate, 1 / (done + 1))
                yield State(thought, estimate if mean is None else mean, estimate, everywhere)
                if last:
                    break

    def _turned(self, way: int) -> Callable[..., tuple[Tensor, Tensor]]:
        """This net with all its kernels turned."""
        if way == 0:
            return self
        kernels = {key: turned(weight, way) for key, weight in self.named_parameters()}
        if (side := self.config.fold) > 1:
            for key, dim in (("projection.weight", 1), ("recall.weight", 1), ("head.4.weight", 0)):
                kernels[key] = turn_squares(kernels[key], way, dim, self.channels, side)
        kernels = {key: weight.contiguous(memory_format=LAYOUT) for key, weight in kernels.items()}
        return lambda thought, seen: functional_call(self, kernels, (thought, seen))

    def _think_impulses(self, noisy: Tensor, share: Tensor, turns: Iterable[Turn]) -> Iterator[State]:
        """One group of the impulses after the other counts as unknown, while the rest hold their estimates.

        So the net sees about as many unknown pixels at once as it was trained with, however many impulses there are.
        """
        impulses = find_impulses(noisy, share)
        numbers = torch.arange(noisy.shape[-2], device=noisy.device)[:, None]  # of the rows
        thought, estimate = None, fill(noisy, ~impulses)
        for turn in turns:
            unknown = locally(asked_for, 0, impulses, numbers, turn)
            base = fill(estimate, ~unknown)
            thought, answer = self(thought, mark(base, unknown))
            answer = base + answer
            estimate = torch.where(unknown, torch.lerp(estimate, answer, turn.weight), estimate)
            yield State(thought, estimate, answer, unknown)

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Measures the share of impulses on the whole image, where it counts; ``UsageError`` for what cannot be."""
        if options.iters < 1:
            raise UsageError(f"dt cannot iterate {options.iters} times.", "Once at least; 20 times by default.")
        if self.config.recall != "impulses":
            return options
        return replace(options, share=known_share(options.share, noisy, "dt"))

    def refine(self, noisy: Tensor, options: Options) -> Iterator[Tensor]:
        """The estimates in [0, 1] after each iteration, without end: all are (N, C, H, W)."""
        return (state.estimate.clamp(0, 1) for state in self.think(noisy, options))

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates in [0, 1], each (N, C, H, W), after each of ``counts`` (ascending) iterations."""
        estimates = islice(self.refine(noisy, options), max(counts))
        return [estimate for done, estimate in enumerate(estimates, 1) if done in counts]

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1] after ``options.iters`` iterations: (N, C, H, W)."""
        return self.estimates(noisy, options, (options.iters,))[0]

    def reach(self, options: Options) -> int:
        """Grows with the iterations: a pixel for each 3x3 convolution, the filter, the windows that fill impulses.

        With turned kernels those of one turn are all that is looked through.
        """
        block = FILTERS[self.config.filter] + 1 + reach_of(self.blocks)
        if self.config.recall == "impulses":
            return options.iters * (block + 3 + FILL_RADIUS) + 1 + FILL_RADIUS + FIND_RADIUS
        deepest = min(options.iters, self.config.turn_every or options.iters)
        return self.config.fold * (1 + deepest * block + 3) + self.config.fold - 1

    def graph(self) -> Graph:
        """One iteration: noisy image and state in, the next state with its estimate out."""
        noisy = torch.rand(1, self.channels, 48, 64)
        thought, iteration = torch.zeros(1, self.config.width // self.config.fold**2, 48, 64), torch.tensor(0.0)
        usage = (
            "One iteration. Begin with a thought and, where there is one, an estimate of any finite numbers, count "
            "iterations from 0, and feed thought and estimate back. Clip the last estimate to [0, 1]."
        )
        if every := self.config.turn_every:
            usage += f" Every {every} iterations begin anew on the image turned; the mean is the answer."
        outputs = ("next_thought", "next_estimate")
        if self.config.recall == "noisy":
            return Graph(NoisyStep(self), {"noisy": noisy, "thought": thought, "iteration": iteration}, outputs, usage)
        inputs = {"noisy": noisy, "thought": thought, "estimate": noisy.clone(), "iteration": iteration}
        return Graph(ImpulseStep(self), inputs, outputs, usage)

    def loss(self, pair: Pair, recipe: Progressive, generator: Generator) -> Tensor:
        """``(1 - alpha) L_fixed + alpha L_progressive + lambda L_similarity`` (equation 7).

        The recipe's loss gives lambda, and what the other two are made of: a perceptual loss too, if it is in there.
        """
        weight, criterion = losses.parse(recipe.loss, recipe.own_losses).at(0, 1).parted("similarity")
        total = torch.zeros((), device=pair.clean.device)
        if recipe.alpha < 1 or weight > 0:
            *before, last = islice(self._practise(pair.noisy, generator), recipe.max_iters)
            if recipe.alpha < 1:
                total = total + (1 - recipe.alpha) * _judge(last, pair.clean, criterion)
            if weight > 0:
                total = total + weight * similarity([state.estimate for state in before], pair.noisy, recipe.gamma)
        if recipe.alpha > 0:
            free, learning = _draw(recipe, generator)
            thinking = self._practise(pair.noisy, generator)
            with torch.no_grad():
                for _ in islice(thinking, free):
                    pass
            states = list(islice(thinking, learning))
            judged = states if recipe.every else states[-1:]
            progressive = torch.stack([_judge(state, pair.clean, criterion) for state in judged]).mean()
            total = total + recipe.alpha * progressive
        return total

    def _practise(self, noisy: Tensor, generator: Generator) -> Iterator[State]:
        """As ``think``, but impulses are in one to four groups, whatever their share, and nothing is turned."""
        if self.config.recall == "noisy":
            return self._think_noisy(noisy)
        groups = 1 + int(torch.randint(4, (), generator=generator))
        first = int(torch.randint(groups, (), generator=generator))
        return self._think_impulses(noisy, impulse_share(noisy), rounds(groups, first, noisy.device))


def _filter(name: str, features: int) -> nn.Module:
    if name == "median":
        return MedianLayer(2 * FILTERS[name] + 1)
    return Involution(features, side=2 * FILTERS[name] + 1) if name == "dynamic" else nn.Identity()


class NoisyStep(nn.Module):
    """One iteration of a net that recalls the noisy image, as a function."""

    def __init__(self, net: DeepThinking) -> None:
        super().__init__()
        self.net = net

    def forward(self, noisy: Tensor, thought: Tensor, iteration: Tensor) -> tuple[Tensor, Tensor]:
        """The next thought and its estimate, not clipped; at ``iteration`` 0 the given thought does not count."""
        first = self.net.projection(self.net.fold(noisy)).relu()
        thought, answer = self.net(torch.where(iteration < 1, first, self.net.fold(thought)), noisy)
        return self.net.unfold(thought), noisy + answer if self.net.config.residual else answer


class ImpulseStep(nn.Module):
    """One iteration of a net that recalls impulses, as a function."""

    def __init__(self, net: DeepThinking) -> None:
        super().__init__()
        self.net = net

    def forward(self, noisy: Tensor, thought: Tensor, estimate: Tensor, iteration: Tensor) -> tuple[Tensor, Tensor]:
        """The next thought and estimate, not clipped; at ``iteration`` 0 those given do not count."""
        share = impulse_share(noisy)
        impulses, turn = find_impulses(noisy, share), turn_of(iteration + torch.zeros_like(share), share)
        unknown = asked_for(impulses, torch.arange(noisy.shape[-2], device=noisy.device)[:, None], turn)
        estimate = torch.where(iteration < 1, fill(noisy, ~impulses), estimate)
        base = fill(estimate, ~unknown)
        seen = mark(base, unknown)
        thought, answer = self.net(torch.where(iteration < 1, self.net.projection(seen).relu(), thought), seen)
        return thought, torch.where(unknown, torch.lerp(estimate, base + answer, turn.weight), estimate)


def _judge(state: State, clean: Tensor, criterion: losses.Loss) -> Tensor:
    """The loss of an iteration's answer, where it was asked for one."""
    return criterion(torch.where(state.asked, state.answer, clean), clean)


def _draw(recipe: Progressive, generator: Generator) -> tuple[int, int]:
    """How many iterations run without gradient, and how many with it after them."""
    if recipe.free_iters is None:
        free = int(torch.randint(recipe.max_iters, (), generator=generator))
        return free, 1 + int(torch.randint(recipe.max_iters - free, (), generator=generator))
    free = int((recipe.free_iters + 1) * float(torch.rand((), generator=generator)) ** 3)  # often few, sometimes many
    return free, 1 + int(torch.randint(recipe.max_iters, (), generator=generator))


METHOD = Method(
    make=DeepThinking,
    config=Config(),
    options=Options(),
    summary="a small recurrent net; its iterations are free at run time",
    paper="Raman, Mao, Agarwal, Jaiman: Using Recurrent Architectures to Generalize From Easy to Hard Problems",
    recipe=Progressive(noise="gaussian:0..75", patch=48, batch=32, steps=10_000, loss="log-mse"),
)

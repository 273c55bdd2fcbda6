"""The deep image prior: a net fitted to the noisy image alone learns the image before it learns the noise.

Dmitry Ulyanov, Andrea Vedaldi, Victor Lempitsky, "Deep Image Prior", CVPR 2018. The plain net and the autoencoder are
those of Julian Tachella, Junqi Tang, Mike Davies, "The Neural Tangent Link Between CNN Denoisers and Non-Local
Filters", CVPR 2021.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from denoise_cli import seeds
from denoise_cli.device import autocast_afresh
from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.fitting import held_out, memory, target
from denoise_cli.fitting.averaging import RunningMean
from denoise_cli.fitting.follow import answer, answers, joined
from denoise_cli.fitting.target import Target, misfit
from denoise_cli.layers.hourglass import Hourglass, Maker
from denoise_cli.layers.impulses import apart_share, fill, find_apart, find_impulses, salt_and_pepper
from denoise_cli.layers.side_by_side import carry_moments, carry_weights, chosen_of
from denoise_cli.method import Method, Step
from denoise_cli.muon import Muon
from denoise_cli.noise.estimate import gaussian_sigma
from denoise_cli.shapes import stacked, surround

KINDS = SKIP, AUTOENCODER, PLAIN = "skip", "autoencoder", "plain"
INPUTS = NOISE, IMAGE = "noise", "image"
OPTIMISERS = MUON, ADAM, DESCENT = "muon", "adam", "descent"
_COARSEST = 4  # least side of the coarsest scale, pixels
_LEAST = 8  # least side of what goes into the net: batch normalisation needs more than one pixel
_LEAST_SHARE = 0.002  # of impulses, below which an image counts as free of them
_QUIET = 6 / 255  # noise beside impulses up to which pixels that are none are kept as they are


@dataclass(frozen=True)
class Config:
    """Which net is fitted. The paper's has 128 channels everywhere, and reflects at borders."""

    kind: str = SKIP  # skip: hourglass with skips; autoencoder: without them; plain: one wide hidden layer
    width: int = 32  # channels of every scale, or of the plain net's hidden layer
    skip: int = 4  # channels of a skip
    depth: int = 5  # scales below the first, at most: small images get fewer
    inputs: int = 32  # channels of the noise that goes in
    side: int = 11  # of the plain net's window, pixels, odd
    border: str = "reflect"  # of the image inside the net: reflect or zeros


@dataclass(frozen=True)
class Options:
    """How it is fitted. The paper: Adam, 1800 iterations, nothing held out, no coarse start."""

    iters: int = 1000  # the most steps
    stop: str = "auto"  # auto, held-out, variance, sigma:25 or none
    seed: int = 0
    optimiser: str = MUON  # muon, adam, or descent: plain gradient descent
    rate: float = 0.01
    input: str = NOISE  # noise, or the noisy image
    jitter: float = 1 / 30  # standard deviation of the noise that is added to the input in each step
    average: float = 0.99  # decay of the mean of the outputs; 0: the last output alone
    held_out: float | None = None  # share of the pixels that is not fitted; 0.05 where that is how it stops, else 0
    coarse: int = 0  # first steps, on the image at half the size
    loss: str = "l2"  # l2, l1 or huber
    impulses: float | None = None  # share of salt and pepper, which is not fitted; measured where it is not given
    apart: bool | None = None  # each channel has impulses of its own; measured where it is not given
    keep: bool | None = None  # pixels that are no impulses stay as they are; measured where it is not given
    padding: str = target.NONE  # none, zero, edge or reflect
    pad_size: int = 16  # pixels


class Dip:
    """Every image has a net of its own, which begins anew."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        """Raises ``UsageError`` for a kind or a border that does not exist."""
        _one_of("kind of net", config.kind, KINDS)
        _one_of("border", config.border, ("reflect", "zeros"))
        if (
            min(config.width, config.inputs, config.side) < 1
            or min(config.skip, config.depth) < 0
            or config.side % 2 == 0
        ):
            raise UsageError(
                f"dip: there is no such net: {config}.", "Sizes are above 0, side is odd; skip and depth may be 0."
            )
        self.config = config

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """What is not given is measured on the image (1, C, H, W); raises ``UsageError`` for what cannot be."""
        _one_of("input", options.input, INPUTS)
        _one_of("optimiser", options.optimiser, OPTIMISERS)
        target.check(options.padding, options.pad_size, held_out.share(options.held_out, options.stop), options.loss)
        if options.impulses is not None and not 0 <= options.impulses < 1:
            raise UsageError(f"dip: impulses cannot be {options.impulses}.", "It is a share from 0 to below 1.")
        if not (options.rate > 0 and options.jitter >= 0 and 0 <= options.average < 1 and options.coarse >= 0):
            raise UsageError(
                f"dip: rate {options.rate:g}, jitter {options.jitter:g}, average {options.average:g} and coarse "
                f"{options.coarse} do not go together.",
                "rate is above 0, jitter and coarse are 0 or more, average is from 0 to below 1.",
            )
        alone = apart_share(noisy, stacked(noisy))
        apart = bool(alone.any()) if options.apart is None else options.apart
        measured = alone if apart else salt_and_pepper(noisy)
        share = measured.mean().item() if options.impulses is None else options.impulses
        share = share if share > _LEAST_SHARE else 0.0
        chosen, keep = replace(options, impulses=share, apart=apart), options.keep
        if keep is None:
            keep = share > 0 and gaussian_sigma(fill(noisy, _known(noisy, chosen))).mean().item() < _QUIET
        return replace(chosen, keep=keep)

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return answer(self, noisy, options)

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates after each of ``counts`` steps, which nothing else stops."""
        return answers(self, noisy, options, counts)

    def reach(self, options: Options) -> None:
        """The whole image."""

    def fit(self, noisy: Tensor, options: Options) -> Generator[Step, Tensor | None, None]:
        """Step by step; raises ``DeviceError`` where it will not fit into memory, before the first one.

        The nets of several images are one net in groups; each image's fit is the one it would have alone, up to
        rounding.
        """
        settled = [self.settle(image, options) for image in torch.split(noisy, 1)]
        apart = [bool(choice.apart and choice.impulses) for choice in settled]  # these hold out channels, not pixels
        parts = [[place for place, word in enumerate(apart) if word == kind] for kind in dict.fromkeys(apart)]
        fits = [_Fit(self.config, noisy, settled, places) for places in parts]
        found: dict[int, tuple[Tensor, Tensor, Tensor, Tensor | None]] = {}
        for number in range(1, options.iters + 1):
            for fit in fits:
                found.update(fit.step(number))
            steps = [found[place] for place in range(len(noisy))]
            wanted = yield joined(number, steps, coarse=number <= options.coarse)
            if wanted is not None and len(noisy) > 1:
                going = set(wanted.nonzero().flatten().tolist())
                for fit in fits:
                    fit.go_on_with(going)
                fits = [fit for fit in fits if fit.places]


class _Fit:
    """The nets of the images (N, C, H, W) at ``places``, side by side, their optimiser, and what they are fitted to.

    Of their ``settled`` options nothing differs but what is measured: the share of impulses, and what is kept.
    """

    def __init__(self, config: Config, images: Tensor, settled: Sequence[Options], places: Sequence[int]) -> None:
        self.places = list(places)
        noisy, choices = images[self.places], [settled[place] for place in places]
        self._options = options = choices[0]
        self._generator = seeds.generator(options.seed, "dip", device=noisy.device)
        known = torch.cat([_known(*pair) for pair in zip(torch.split(noisy, 1), choices, strict=True)])
        self._keep = noisy.new_tensor([choice.keep for choice in choices], dtype=torch.bool)[:, None, None, None]
        share = held_out.share(options.held_out, options.stop)
        self._target = Target.make(noisy, known, share, options.padding, options.pad_size, self._generator)
        height, width = self._target.pixels.shape[-2:]
        depth = 0 if config.kind == PLAIN else min(config.depth, scales(min(height, width)))
        multiple = 2 ** (depth + (options.coarse > 0))
        least = 2 * max(_LEAST, config.side) if config.kind == PLAIN else 2 * _LEAST
        size = _up(max(height, least // 2), multiple), _up(max(width, least // 2), multiple)
        self._shared = options.input == NOISE
        taken = config.inputs if self._shared else noisy.shape[1]
        self._make = partial(make_net, config, taken, noisy.shape[1], depth, shared=self._shared)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(options.seed, "dip", "weights"))
            self._net = self._chosen(self._make(), 1, [0] * len(self.places))
        self._seen = self._input(config, size).contiguous(memory_format=torch.channels_last)
        side = max(2 * multiple, least)
        sample = noisy.new_zeros((1, self._seen.shape[1], min(side, size[0]), min(side, size[1])))
        with autocast_afresh(noisy.device):
            memory.ensure(self._net, sample, size, "Fit a smaller net, such as fit-dip --set width=8")
        self._optimiser = _optimiser(self._net, options, len(self.places))
        self._mean = RunningMean(options.average)

    def go_on_with(self, places: Collection[int]) -> None:
        """Fit the images at other places no further."""
        before, chosen = len(self.places), [index for index, place in enumerate(self.places) if place in places]
        self.places = [self.places[index] for index in chosen]
        if not 0 < len(chosen) < before:
            return
        self._target, self._keep = self._target.of(chosen), self._keep[chosen]
        self._mean.keep(chosen)
        if not self._shared:
            self._seen = chosen_of(self._seen[0], before, chosen)[None].contiguous(memory_format=torch.channels_last)
        with torch.random.fork_rng(devices=[]):
            net = self._chosen(self._net, before, chosen)
        optimiser = _optimiser(net, self._options, len(chosen))
        carry_moments(self._optimiser, before, chosen, optimiser)
        self._net, self._optimiser = net, optimiser

    def _chosen(self, net: nn.Module, nets: int, chosen: Sequence[int]) -> nn.Module:
        """A net of the ``chosen`` ones of those in ``net``."""
        if len(chosen) > 1 or nets > 1:
            wide = self._make(nets=len(chosen))
            carry_weights(net, nets, chosen, wide)
            net = wide
        return net.to(self._target.noisy.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def step(self, number: int) -> dict[int, tuple[Tensor, Tensor, Tensor, Tensor | None]]:
        """One step of the optimiser: by its place each image's misfit (1,), output, estimate, held-out misfit (1,)."""
        options, aim = self._options, self._target
        coarse = number <= options.coarse
        pixels, weight = aim.coarse() if coarse else (aim.pixels, aim.weight)
        seen = self._seen
        if coarse:
            seen = seen[..., ::2, ::2] if options.input == NOISE else functional.avg_pool2d(seen, 2)
        if options.jitter:
            seen = torch.add(seen, self._jitter(seen), alpha=options.jitter)
        if torch.is_autocast_enabled(seen.device.type):
            seen = seen.to(torch.get_autocast_dtype(seen.device.type))  # once, for the two layers that take it
        with autocast_afresh(seen.device):
            output = self._net(seen)
        output = output.float()[..., : pixels.shape[-2], : pixels.shape[-1]]
        output = output.reshape(len(self.places), -1, *output.shape[-2:])
        loss = misfit(output, pixels, weight, options.loss)
        self._optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        with torch.no_grad():
            squares = misfit(output.detach(), pixels, weight, "l2")
            output = output.detach()
            if coarse:
                output = functional.interpolate(output, scale_factor=2, mode="bilinear")
            output = aim.within(output)
            if number == options.coarse + 1:
                self._mean = RunningMean(options.average)
            estimate = self._mean.take(output).clamp(0, 1)
            held = aim.held_out_misfit(estimate)
            estimate = torch.where(self._keep & aim.known, aim.noisy.clamp(0, 1), estimate)
        parts = (torch.split(found, 1) for found in (squares, output, estimate))
        unseen = [None] * len(self.places) if held is None else torch.split(held, 1)
        return dict(zip(self.places, zip(*parts, unseen, strict=True), strict=True))

    def _input(self, config: Config, size: tuple[int, int]) -> Tensor:
        """What goes into the net: noise for all images, (1, C, *size), or the noisy images, (1, N C, *size), with what
        is not fitted filled."""
        aim = self._target
        if self._shared:
            return 0.1 * self._draw(torch.rand, aim.noisy.new_empty((1, config.inputs, *size)))
        below, right = size[0] - aim.pixels.shape[-2], size[1] - aim.pixels.shape[-1]
        return surround(fill(aim.pixels, aim.weight > 0), "reflect", 0, right, 0, below).flatten(0, 1)[None]

    def _jitter(self, seen: Tensor) -> Tensor:
        """Noise for what goes in; images that go in side by side all get the same."""
        if self._shared or len(self.places) == 1:
            return self._draw(torch.randn, seen)
        return self._draw(torch.randn, seen.chunk(len(self.places), dim=1)[0]).repeat(1, len(self.places), 1, 1)

    def _draw(self, distribution: Callable[..., Tensor], like: Tensor) -> Tensor:
        drawn = distribution(like.shape, generator=self._generator, device=like.device)
        return drawn.contiguous(memory_format=torch.channels_last)


def _known(noisy: Tensor, options: Options) -> Tensor:
    """What is no impulse by settled ``options``, (N, 1, H, W) of bool; (N, C, H, W) where impulses come apart."""
    if not options.impulses:
        return torch.ones_like(noisy[:, :1], dtype=torch.bool)
    return ~(find_apart if options.apart else find_impulses)(noisy, options.impulses)


def make_net(
    config: Config, taken: int, given: int, depth: int, nets: int = 1, *, shared: bool = False
) -> nn.Sequential:
    """The net of ``config`` from ``taken`` channels to ``given``, with ``depth`` scales below the first.

    Or so many ``nets`` side by side, whose channels follow each other; ``shared`` channels go into all of them.
    """
    first, deep = Maker(config.border, nets, shared), Maker(config.border, nets)
    if config.kind == PLAIN:
        window = first.window(taken, config.width, config.side)
        return nn.Sequential(window, nn.ReLU(), deep.window(config.width, given, 1))
    skip = config.skip if config.kind == SKIP else 0
    if depth:
        body: list[nn.Module] = [Hourglass(first, taken, config.width, skip, depth)]
    else:
        body = first.convolution(taken, config.width, 3)
    return nn.Sequential(*body, deep.window(config.width, given, 1), nn.Sigmoid())


def scales(side: int) -> int:
    """How many scales there may be below the first for an image whose shorter side is ``side``."""
    return max(0, (side // _COARSEST).bit_length() - 1)


def _optimiser(net: nn.Module, options: Options, nets: int) -> torch.optim.Optimizer:
    if options.optimiser == MUON:
        return Muon(net.parameters(), options.rate, nets=nets)
    if options.optimiser == ADAM:
        return torch.optim.Adam(net.parameters(), options.rate)
    return torch.optim.SGD(net.parameters(), options.rate)


def _one_of(what: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise UsageError(f"dip has no {what} {word!r}.", did_you_mean(word, known))


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


METHOD = Method(
    make=Dip,
    config=Config(),
    options=Options(),
    summary="deep image prior: a net fitted to the image alone, which stops before it learns the noise",
    paper="Ulyanov, Vedaldi, Lempitsky: Deep Image Prior, CVPR 2018",
)

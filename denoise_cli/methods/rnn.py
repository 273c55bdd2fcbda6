"""A recurrent autoencoder fitted to one image: its own last output is part of its next input.

Alex Ho, Jacqueline Alvarez, Roummel F. Marcia, "Convolution Padding in Recurrent Neural Networks for Image Denoising
with Limited Data": five convolutions without padding, five transposed ones back, tanh behind each.
"""

from collections.abc import Generator
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn

from denoise_cli import seeds
from denoise_cli.device import autocast_afresh
from denoise_cli.errors import UsageError, did_you_mean
from denoise_cli.fitting import held_out, memory, target
from denoise_cli.fitting.averaging import RunningMean
from denoise_cli.fitting.follow import answer, answers, joined
from denoise_cli.fitting.target import Target, misfit
from denoise_cli.losses.variation import variation_of_colours
from denoise_cli.method import Method, Step
from denoise_cli.muon import Muon
from denoise_cli.noise.estimate import known_sigma

WINDOWS = (6, 6, 6, 6, 5)  # sides of the encoder's kernels (Table I); the decoder's are the same, backwards
LEAST = sum(side - 1 for side in WINDOWS) + 1  # the smallest image, pixels: its hidden state has one
OPTIMISERS = MUON, ADAM, DESCENT = "muon", "adam", "descent"


@dataclass(frozen=True)
class Config:
    """Which net is fitted: the paper's has 16, 32, 64, 128 and 256 channels."""

    features: int = 16  # channels of the first layer; each further one has twice as many


@dataclass(frozen=True)
class Options:
    """How it is fitted.

    The paper: plain gradient descent, T = 2000, no mean of the outputs, no variation, borders of 4 pixels or none.
    """

    iters: int = 1000  # T, the most steps; 280 are enough for 32 x 32, if nothing is held out
    stop: str = "auto"  # auto, held-out, variance, sigma:25 or none
    seed: int = 0
    optimiser: str = ADAM  # adam, muon, or descent: plain gradient descent on the sum of the squares
    rate: float = 2.5e-4  # higher ones saturate the tanh at first; 1e-4 suits plain descent
    epsilon: float = 0.1  # share of the last output in the next input; the rest is fixed noise
    carry: float = 0.0  # share of the hidden state that goes from one optimiser step to the next
    unroll: int = 1  # time steps within one optimiser step; the hidden state adds up over them
    average: float = 0.97  # decay of the mean of the outputs; 0: the last output alone
    held_out: float | None = None  # share of the pixels that is not fitted; 0.05 where that is how it stops, else 0
    smooth: float = 0.9  # weight of the output's variation, in units of sigma, which is measured
    padding: str = "reflect"  # or zero, edge, none: docs/padding.md tells what they bring
    pad_size: int = 8  # pixels


class Rnn:
    """Every image has a net of its own, which begins anew."""

    stride = 1
    channels = None

    def __init__(self, config: Config) -> None:
        """Raises ``UsageError`` where there is no such net."""
        if config.features < 1:
            raise UsageError(f"rnn has no {config.features} features.", "It takes at least 1.")
        self.config = config

    def settle(self, noisy: Tensor, options: Options) -> Options:
        """Nothing is measured here; raises ``UsageError`` for what cannot be."""
        target.check(options.padding, options.pad_size, held_out.share(options.held_out, options.stop), "l2")
        if options.optimiser not in OPTIMISERS:
            raise UsageError(
                f"rnn has no optimiser {options.optimiser!r}.", did_you_mean(options.optimiser, OPTIMISERS)
            )
        shares = (options.epsilon, options.carry)
        if not (all(0 <= share <= 1 for share in shares) and options.unroll >= 1 and 0 <= options.average < 1):
            raise UsageError(
                f"rnn: epsilon {options.epsilon:g}, carry {options.carry:g}, unroll {options.unroll} and average "
                f"{options.average:g} do not go together.",
                "epsilon and carry are from 0 to 1, unroll is at least 1, average is from 0 to below 1.",
            )
        if options.rate <= 0:
            raise UsageError(f"rnn: the rate cannot be {options.rate:g}.", "It is above 0.")
        if not 0 <= options.smooth < inf:
            raise UsageError(f"rnn: smooth cannot be {options.smooth:g}.", "It is 0 or more.")
        return options

    def denoise(self, noisy: Tensor, options: Options) -> Tensor:
        """The estimate in [0, 1]: (N, C, H, W) from noisy images of that shape."""
        return answer(self, noisy, options)

    def estimates(self, noisy: Tensor, options: Options, counts: tuple[int, ...]) -> list[Tensor]:
        """The estimates after each of ``counts`` steps, which nothing else stops."""
        return answers(self, noisy, options, counts)

    def reach(self, options: Options) -> None:
        """The whole image."""

    def fit(self, noisy: Tensor, options: Options) -> Generator[Step, Tensor | None, None]:
        """Step by step; raises ``DeviceError`` where it will not fit into memory, before the first one."""
        chosen = self.settle(noisy, options)
        fits = [_Fit(self.config, image[None], chosen) for image in noisy]
        for number in range(1, options.iters + 1):
            yield joined(number, [fit.step() for fit in fits])


class Autoencoder(nn.Module):
    """U and V of the paper: (N, C, H, W) to a hidden state (N, 16 features, H - 24, W - 24), and back."""

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        widths = [channels, *(features * 2**layer for layer in range(len(WINDOWS)))]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for side, narrow, wide in zip(WINDOWS, widths, widths[1:], strict=False):
            down += [nn.Conv2d(narrow, wide, side), nn.Tanh()]
            up = [nn.ConvTranspose2d(wide, narrow, side), nn.Tanh(), *up]
        self.encode = nn.Sequential(*down)
        self.decode = nn.Sequential(*up)

    def forward(self, seen: Tensor) -> Tensor:
        """One time step without memory."""
        return self.decode(self.encode(seen))  # type: ignore[no-any-return]


class _Fit:
    """The net of one image (1, C, H, W), its optimiser, and its state. Intensities in the net are in [-1, 1]."""

    def __init__(self, config: Config, noisy: Tensor, options: Options) -> None:
        self._options = options
        generator = seeds.generator(options.seed, "rnn", device=noisy.device)
        known = torch.ones_like(noisy[:, :1], dtype=torch.bool)
        share = held_out.share(options.held_out, options.stop)
        self._target = Target.make(noisy, known, share, options.padding, options.pad_size, generator)
        height, width = (max(LEAST, side) for side in self._target.pixels.shape[-2:])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(options.seed, "rnn", "weights"))
            net = Autoencoder(config.features, noisy.shape[1])
        if options.optimiser != DESCENT:
            _widen(net)
        self._net = net.to(noisy.device)
        shape = (1, noisy.shape[1], height, width)
        self._noise = torch.randn(shape, generator=generator, device=noisy.device)
        self._output = torch.zeros_like(self._noise)  # f of the step before, (1, C, H, W)
        self._hidden: Tensor | None = None  # h of the step before
        advice = "Fit a smaller net, fit-rnn --set features=4" + (", or a lower --unroll" if options.unroll > 1 else "")
        with autocast_afresh(noisy.device):
            sample = self._noise[..., : 2 * LEAST, : 2 * LEAST]
            memory.ensure(lambda noise: self._unrolled(noise, noise, None)[0], sample, (height, width), advice)
        self._optimiser = _optimiser(net, options)
        self._mean = RunningMean(options.average)
        self._variation = options.smooth * known_sigma(None, noisy, "rnn") if options.smooth else 0.0

    def step(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """One step of the optimiser: the misfit (1,), the output, the estimate, and its held-out misfit (1,)."""
        options, aim = self._options, self._target
        height, width = aim.pixels.shape[-2:]
        with autocast_afresh(self._noise.device):
            output, hidden = self._unrolled(self._noise, self._output, self._hidden)
        shown = (output[..., :height, :width].float() + 1) / 2
        loss = misfit(shown, aim.pixels, aim.weight, "l2")
        self._optimiser.zero_grad(set_to_none=True)
        scale = float(aim.weight.sum()) * aim.pixels.shape[1] if options.optimiser == DESCENT else 1.0
        cost = loss + self._variation * variation_of_colours(shown) if self._variation else loss
        (scale * cost).sum().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        with torch.no_grad():
            self._output = output.detach().float()
            self._hidden = options.carry * hidden.detach() if options.carry else None
            within = aim.within(shown.detach())
            estimate = self._mean.take(within).clamp(0, 1)
            return loss.detach(), within, estimate, aim.held_out_misfit(estimate)

    def _unrolled(self, noise: Tensor, output: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """The time steps within one step of the optimiser: the next ``output`` and ``hidden`` state."""
        epsilon = self._options.epsilon
        for _ in range(self._options.unroll):
            state = self._net.encode((1 - epsilon) * noise + epsilon * output)  # equation 1
            hidden = state if hidden is None else state + hidden
            output = self._net.decode(hidden)
        assert hidden is not None
        return output, hidden


def _widen(net: nn.Module) -> None:
    """Weights of three times the variance that PyTorch gives them: for a convolution 1 / inputs.

    With that it keeps the variance of what comes in: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998. Of a
    transposed convolution PyTorch takes the outputs for inputs, so that the variance grows there, about twofold in a
    layer and more in the last one, which has the fewest outputs.
    """
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim > 1:
                weight.mul_(3**0.5)


def _optimiser(net: nn.Module, options: Options) -> torch.optim.Optimizer:
    if options.optimiser == MUON:
        return Muon(net.parameters(), options.rate)
    if options.optimiser == ADAM:
        return torch.optim.Adam(net.parameters(), options.rate, fused=True)
    return torch.optim.SGD(net.parameters(), options.rate)


METHOD = Method(
    make=Rnn,
    config=Config(),
    options=Options(),
    summary="recurrent autoencoder fitted to the image alone, its last output part of the next input",
    paper="Ho, Alvarez, Marcia: Convolution Padding in Recurrent Neural Networks for Image Denoising with Limited Data",
)

"""The paper's net to the last weight, its recursion worked by hand, and any size."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from denoise_cli import noise, seeds
from denoise_cli.errors import DenoiseError, DeviceError, UsageError
from denoise_cli.fitting import memory
from denoise_cli.fitting.follow import follow
from denoise_cli.method import Fitter
from denoise_cli.methods.rnn import Autoencoder, Config, Options, Rnn
from denoise_cli.metrics.psnr import psnr

SMALL = Config(features=2)
QUICK = Options(iters=3)


def test_the_paper_s_layers() -> None:
    net = Autoencoder(16, 3)
    assert sum(weight.numel() for weight in net.parameters()) == 2_416_739
    assert sum(weight.numel() for weight in net.encode.parameters()) == 1_208_496
    with torch.no_grad():
        for side, hidden in ((32, 8), (40, 16)):
            state = net.encode(torch.zeros(1, 3, side, side))
            assert state.shape == (1, 256, hidden, hidden) and net.decode(state).shape == (1, 3, side, side)


def test_it_is_a_fitter_and_lowers_the_noise() -> None:
    rnn = Rnn(Config(features=4))
    assert isinstance(rnn, Fitter)
    clean = torch.linspace(0.2, 0.8, 28).expand(1, 3, 28, 28).contiguous()
    noisy = noise.parse("gaussian:0.2")(clean, seeds.generator(0)).noisy.clamp(0, 1)
    estimate = rnn.denoise(noisy, Options(iters=60, rate=0.01, average=0.9))
    assert psnr(estimate, clean) > psnr(noisy, clean) + 3


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": "muon"},
        {"optimiser": "descent", "rate": 1e-4},
        {"epsilon": 0.0},
        {"epsilon": 1.0, "unroll": 3},
        {"carry": 0.5},
        {"padding": "none"},
        {"padding": "zero"},
        {"padding": "edge"},
        {"pad_size": 60},
    ],
)
def test_every_way_of_fitting_lowers_the_loss(changes: dict[str, Any]) -> None:
    noisy = torch.rand((1, 1, 26, 30), generator=seeds.generator(0))
    with torch.enable_grad():
        steps = list(Rnn(SMALL).fit(noisy, replace(QUICK, iters=10, smooth=0.0, **changes)))
    assert steps[-1].loss < steps[0].loss and steps[-1].estimate.shape == noisy.shape


def test_the_memory_counts() -> None:
    noisy = torch.rand((1, 1, 26, 30), generator=seeds.generator(0))
    usual = Rnn(SMALL).denoise(noisy, QUICK)
    for changes in ({"carry": 1.0}, {"epsilon": 0.5}, {"unroll": 2}, {"seed": 1}):
        assert not torch.equal(Rnn(SMALL).denoise(noisy, replace(QUICK, **changes)), usual)
    assert torch.equal(Rnn(SMALL).denoise(noisy, QUICK), usual)


def test_the_variation_keeps_the_noise_out() -> None:
    """Of steps enough to learn the noise, and in units of the noise: nothing changes where there is none."""
    clean = torch.linspace(0.2, 0.8, 32).expand(1, 3, 32, 32).contiguous()
    noisy = noise.parse("gaussian:0.2")(clean, seeds.generator(0)).noisy
    options = Options(iters=80, rate=3e-3, padding="none", stop="none")
    rough, smooth = (Rnn(Config(features=4)).denoise(noisy, replace(options, smooth=weight)) for weight in (0.0, 0.9))
    assert psnr(smooth, clean) > psnr(rough, clean) + 3
    flat = torch.full((1, 3, 26, 26), 0.4)
    assert torch.equal(Rnn(SMALL).denoise(flat, QUICK), Rnn(SMALL).denoise(flat, replace(QUICK, smooth=0.0)))


def test_salt_and_pepper_breaks_nothing() -> None:
    noisy = noise.parse("sp:0.5")(torch.full((1, 3, 26, 26), 0.5), seeds.generator(0)).noisy
    assert Rnn(SMALL).denoise(noisy, replace(QUICK, iters=20)).isfinite().all()


def test_pixels_are_held_out_only_where_they_tell_when_to_stop() -> None:
    noisy = torch.rand((1, 1, 26, 30), generator=seeds.generator(0))
    for stop, there in (("none", False), ("sigma:25", False), ("variance", False), ("auto", True), ("held-out", True)):
        with torch.enable_grad():
            step = next(Rnn(SMALL).fit(noisy, Rnn(SMALL).settle(noisy, Options(stop=stop))))
        assert (step.held_out is not None) == there
    with torch.enable_grad():
        assert next(Rnn(SMALL).fit(noisy, Options(stop="none", held_out=0.1))).held_out is not None


def test_the_estimates_after_some_steps_are_of_a_fit_with_every_pixel() -> None:
    noisy = torch.rand((1, 1, 26, 30), generator=seeds.generator(0))
    settled = Rnn(SMALL).settle(noisy, Options())
    (found,) = Rnn(SMALL).estimates(noisy, settled, (3,))
    assert torch.equal(found, Rnn(SMALL).denoise(noisy, replace(settled, stop="none", held_out=0.0, iters=3)))


def test_a_rate_that_is_too_high_is_lowered() -> None:
    noisy = noise.parse("gaussian:25")(torch.linspace(0.1, 0.6, 30).expand(1, 1, 26, 30), seeds.generator(0)).noisy
    options = Options(optimiser="descent", rate=0.04, iters=4, stop="none")
    told = [standing.message for standing in follow(Rnn(SMALL), noisy, options) if standing.message]
    assert told and told[0].startswith("the fit diverged; it begins again with a rate of")
    with pytest.raises(DenoiseError, match="diverged 5 times"):
        Rnn(SMALL).denoise(noisy, replace(options, rate=10.0))


@pytest.mark.parametrize("size", [(1, 1), (5, 90), (25, 24), (33, 40)])
def test_any_size(size: tuple[int, int]) -> None:
    noisy = torch.rand((2, 3, *size), generator=seeds.generator(0))
    assert Rnn(SMALL).denoise(noisy, replace(QUICK, padding="none")).shape == noisy.shape


def test_what_does_not_fit_into_memory_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the border, which is fitted too."""
    monkeypatch.setattr(memory, "free_bytes", lambda device: 100_000)
    with pytest.raises(DeviceError, match=r"48x48 pixels takes about .* GB") as raised:
        Rnn(Config()).denoise(torch.rand((1, 1, 32, 32)), QUICK)
    assert "--set features=4" in raised.value.hint


def test_every_unrolled_pass_takes_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = torch.rand((1, 1, 32, 32))
    monkeypatch.setattr(memory, "free_bytes", lambda device: 4_000_000)
    Rnn(SMALL).denoise(noisy, QUICK)
    with pytest.raises(DeviceError, match=r"48x48 pixels takes about .* GB") as raised:
        Rnn(SMALL).denoise(noisy, replace(QUICK, unroll=50))
    assert "or a lower --unroll" in raised.value.hint


def broken(**changes: Any) -> Callable[[], object]:
    return lambda: Rnn(SMALL).settle(torch.zeros(1, 1, 9, 9), replace(Options(), **changes))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Rnn(Config(features=0)), broken(epsilon=1.5), broken(carry=-0.1), broken(unroll=0), broken(rate=0.0),
        broken(average=1.0), broken(padding="mirror"), broken(held_out=-0.1), broken(optimiser="sgd"),
        broken(smooth=-0.1),
    ],
)  # fmt: skip
def test_what_cannot_be(build: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        build()

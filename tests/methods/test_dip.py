"""The nets have the paper's weights; what is fitted, and when it stops, are as the options say."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from denoise_cli import noise, seeds
from denoise_cli.errors import DeviceError, UsageError
from denoise_cli.fitting import memory
from denoise_cli.fitting.follow import follow
from denoise_cli.method import Fitter
from denoise_cli.methods.dip import METHOD, Config, Dip, Options, make_net, scales
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import stored

SMALL = Config(width=8, depth=2, inputs=4)
QUICK = Options(iters=3)


def smooth(channels: int = 1, side: int = 32) -> Tensor:
    coarse = torch.rand((1, channels, 4, 4), generator=seeds.generator(0, "dip test"))
    return functional.interpolate(coarse, size=(side, side), mode="bilinear")


def noisy_of(clean: Tensor, word: str) -> Tensor:
    return stored(noise.parse(word)(clean, seeds.generator(0, word)).noisy)


@pytest.mark.parametrize(
    ("changes", "taken", "given", "weights"),
    [({}, 32, 3, 2_217_831), ({}, 32, 1, 2_217_573), ({"kind": "autoencoder"}, 32, 3, 2_192_515)],
)
def test_the_paper_s_weights(changes: dict[str, Any], taken: int, given: int, weights: int) -> None:
    net = make_net(replace(Config(width=128), **changes), taken, given, depth=5)
    assert sum(weight.numel() for weight in net.parameters()) == weights


def test_small_images_get_fewer_scales() -> None:
    assert [scales(side) for side in (1, 7, 8, 16, 127, 128, 5000)] == [0, 0, 1, 2, 4, 5, 10]


def test_it_is_a_fitter_and_beats_the_noise() -> None:
    dip = Dip(SMALL)
    assert isinstance(dip, Fitter)
    clean = smooth()
    noisy = noisy_of(clean, "gaussian:50")
    estimate = dip.denoise(noisy, dip.settle(noisy, Options(iters=80)))
    assert psnr(estimate, clean) > psnr(noisy, clean) + 6


@pytest.mark.parametrize(
    "changes",
    [
        {"input": "image"},
        {"optimiser": "adam"},
        {"optimiser": "descent", "rate": 0.1},
        {"loss": "huber"},
        {"loss": "l1"},
        {"coarse": 2},
        {"average": 0.0, "jitter": 0.0},
        {"padding": "reflect", "pad_size": 50},
        {"padding": "zero"},
        {"padding": "edge"},
    ],
)
@pytest.mark.parametrize(
    "config", [SMALL, replace(SMALL, kind="autoencoder", border="zeros"), Config("plain", 8, side=5)]
)
def test_every_way_of_fitting_lowers_the_loss(config: Config, changes: dict[str, Any]) -> None:
    noisy = noisy_of(smooth(3, 20), "gaussian:25")
    with torch.enable_grad():
        steps = list(Dip(config).fit(noisy, replace(QUICK, iters=8, **changes)))
    assert steps[-1].loss < steps[2].loss and steps[-1].estimate.shape == noisy.shape
    assert not steps[-1].estimate.requires_grad


def test_held_out_pixels_do_not_change_the_fit() -> None:
    """Other values there are other held-out misfits, and the same estimate."""
    noisy = noisy_of(smooth(1, 16), "gaussian:25")
    for way in ("noise", "image"):
        options = replace(QUICK, held_out=0.3, input=way, impulses=0.0)
        generator = seeds.generator(0, "dip")
        held = torch.rand((1, 1, 16, 16), generator=generator) < 0.3
        with torch.enable_grad():
            one = list(Dip(SMALL).fit(noisy, options))[-1]
            other = list(Dip(SMALL).fit(torch.where(held, 1 - noisy, noisy), options))[-1]
        assert one.held_out is not None and other.held_out is not None
        assert torch.equal(one.estimate, other.estimate) and not torch.equal(one.held_out, other.held_out)


def test_nothing_is_held_out_where_no_share_is() -> None:
    with torch.enable_grad():
        step = next(Dip(SMALL).fit(smooth(), replace(QUICK, held_out=0.0)))
    assert step.held_out is None


def test_salt_and_pepper_is_found_left_out_and_filled() -> None:
    clean = (0.2 + 0.6 * smooth(1, 48)).mul(255).round().div(255)
    noisy = noisy_of(clean, "sp:0.3")
    dip = Dip(SMALL)
    settled = dip.settle(noisy, Options(iters=60))
    assert settled.impulses == pytest.approx(0.3, abs=0.05) and settled.keep
    estimate = dip.denoise(noisy, settled)
    same = noisy == clean
    assert torch.equal(estimate[same], clean[same])
    assert psnr(estimate, clean) > 25 > psnr(noisy, clean) + 10


def test_salt_and_pepper_that_strikes_each_channel_by_itself() -> None:
    clean = (0.2 + 0.6 * smooth(3, 48)).mul(255).round().div(255)
    noisy = noisy_of(clean.transpose(0, 1), "sp:0.3").transpose(0, 1).contiguous()
    dip = Dip(SMALL)
    settled = dip.settle(noisy, Options(iters=60))
    assert settled.apart and settled.impulses == pytest.approx(0.3, abs=0.03) and settled.keep
    for way in ("noise", "image"):
        estimate = dip.denoise(noisy, replace(settled, input=way))
        same = noisy == clean
        assert torch.equal(estimate[same], clean[same])
        assert psnr(estimate, clean) > 25 > psnr(noisy, clean) + 10
    assert not dip.settle(noisy_of(clean, "sp:0.3"), Options()).apart
    with torch.enable_grad():
        steps = list(dip.fit(noisy, replace(settled, iters=4, coarse=2, padding="reflect", pad_size=3)))
    assert steps[-1].held_out is not None and steps[-1].loss < steps[2].loss


def test_beside_other_noise_no_pixel_is_kept() -> None:
    noisy = noisy_of(0.2 + 0.6 * smooth(1, 48), "mixed:25+0.2")
    settled = Dip(SMALL).settle(noisy, Options())
    assert settled.impulses and not settled.keep


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_constant_image_stays_what_it_is(level: float) -> None:
    noisy = torch.full((1, 3, 12, 9), level)
    dip = Dip(SMALL)
    estimate = dip.denoise(noisy, dip.settle(noisy, Options(iters=100, average=0.9)))
    assert (estimate - level).abs().mean() < 0.1


def test_a_long_strip() -> None:
    noisy = torch.rand((1, 3, 5, 400), generator=seeds.generator(0))
    assert Dip(SMALL).denoise(noisy, QUICK).shape == noisy.shape


def test_other_seeds_are_other_fits() -> None:
    noisy = noisy_of(smooth(), "gaussian:25")
    fits = [Dip(SMALL).denoise(noisy, replace(QUICK, seed=seed)) for seed in (0, 0, 1)]
    assert torch.equal(fits[0], fits[1]) and not torch.equal(fits[0], fits[2])


def test_a_rate_that_is_too_high_is_lowered() -> None:
    noisy = noisy_of(smooth(), "gaussian:25")
    config, options = Config("plain", 8, side=3), Options(optimiser="descent", rate=40.0, input="image", iters=40)
    told = [standing.message for standing in follow(Dip(config), noisy, options) if standing.message]
    assert told and "diverged" in told[0] and "10 instead of 40" in told[0]


def test_a_rate_that_leaves_a_bounded_net_at_black_or_white_is_lowered() -> None:
    noisy = noisy_of(0.2 + 0.2 * smooth(), "gaussian:25")
    for stop in ("none", "auto"):
        options = Options(optimiser="adam", rate=10.0, iters=25, stop=stop)
        told = [standing.message for standing in follow(Dip(SMALL), noisy, options) if standing.message]
        assert told and "diverged" in told[0] and "2.5 instead of 10" in told[0]


@pytest.mark.parametrize("coarse", [0, 10])
@pytest.mark.parametrize("kind", ["black", "white", "gray", "dot", "black and white", "noise", "salt"])
def test_no_image_is_taken_for_a_fit_that_diverges(kind: str, coarse: int) -> None:
    flat = torch.full((1, 1, 16, 20), 0.5)
    noise = torch.rand((1, 3, 16, 16), generator=seeds.generator(0))
    images = {
        "black": 0 * flat, "white": 2 * flat, "gray": flat, "dot": flat[..., :1, :1],
        "black and white": (torch.arange(16)[:, None] + torch.arange(16)).remainder(2).float()[None, None],
        "noise": noise, "salt": noisy_of(flat, "sp:0.7"),
    }  # fmt: skip
    standings = list(follow(Dip(SMALL), images[kind], Options(iters=50, stop="none", coarse=coarse)))
    assert not any(standing.message for standing in standings)


def test_a_coarse_step_ends_no_fit() -> None:
    noisy = noisy_of(0.2 + 0.6 * smooth(side=48), "gaussian:50")
    options = Options(iters=60, stop="sigma:50", coarse=40, jitter=0.0)
    *_, last = follow(Dip(SMALL), noisy, options)
    assert last.step.number > 40 and (last.best_at > 40).all()


def test_each_image_of_a_batch_is_fitted_by_itself() -> None:
    clean = 0.2 + 0.6 * smooth(side=24)
    noisy = torch.cat((noisy_of(clean, "sp:0.3"), noisy_of(clean, "gaussian:25")))
    alone = torch.cat([Dip(SMALL).denoise(image[None], QUICK) for image in noisy])
    assert torch.equal(Dip(SMALL).denoise(noisy, QUICK), alone)
    (estimates,) = Dip(SMALL).estimates(noisy, QUICK, (2,))
    assert torch.equal(estimates[1:], Dip(SMALL).estimates(noisy[1:], QUICK, (2,))[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 1e-3},
        {"rate": 1e-3, "input": "image", "coarse": 2, "optimiser": "adam"},
        {"rate": 0.1, "optimiser": "descent", "padding": "edge"},
    ],
)
@pytest.mark.parametrize("config", [SMALL, replace(SMALL, kind="autoencoder"), Config("plain", 8, side=5)])
def test_side_by_side_each_is_fitted_as_if_alone(
    config: Config, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Impulses in some of them, in one a channel by itself, change nothing for the others.

    On one thread: several add in another order, and Adam makes whole steps of what rounding left of no gradient.
    """
    request.addfinalizer(partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(1)
    clean = (0.2 + 0.6 * smooth(3, 24)).mul(255).round().div(255)
    apart = noisy_of(clean.transpose(0, 1), "sp:0.3").transpose(0, 1)
    images = [noisy_of(clean, "gaussian:25"), apart, noisy_of(clean, "sp:0.3"), noisy_of(clean.flip(3), "gaussian:50")]
    options = Options(iters=6, **changes)
    with torch.enable_grad():
        *_, together = Dip(config).fit(torch.cat(images), options)
        alone = [list(Dip(config).fit(image.contiguous(), options))[-1] for image in images]
    assert together.held_out is not None
    for index, one in enumerate(alone):
        assert one.held_out is not None
        torch.testing.assert_close(together.estimate[index], one.estimate[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(together.loss[index], one.loss[0], atol=1e-5, rtol=1e-3)
        torch.testing.assert_close(together.held_out[index], one.held_out[0], atol=1e-5, rtol=1e-3)
    assert not torch.allclose(together.estimate[0], together.estimate[3], atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{"rate": 1e-3}, {"rate": 1e-3, "input": "image", "optimiser": "adam"}, {"rate": 0.1, "optimiser": "descent"}],
)
def test_who_is_done_leaves_the_others_as_they_were(changes: dict[str, Any]) -> None:
    clean = (0.2 + 0.6 * smooth(3, 24)).mul(255).round().div(255)
    apart = noisy_of(clean.transpose(0, 1), "sp:0.3").transpose(0, 1)
    images = torch.cat([noisy_of(clean, "gaussian:25"), apart, noisy_of(clean, "sp:0.3"), noisy_of(clean, "poisson:9")])
    options = Options(iters=9, **changes)
    leaves = torch.tensor([3, 5, 9, 5])  # the last step of each
    with torch.enable_grad():
        fit = Dip(SMALL).fit(images, options)
        step = next(fit)
        for number in range(2, 10):
            step = fit.send(number <= leaves)
        alone = [list(Dip(SMALL).fit(image[None], options)) for image in images]
    assert step.number == 9 and step.held_out is not None
    for index, last in enumerate(leaves.tolist()):
        own = alone[index][last - 1]
        assert own.held_out is not None
        torch.testing.assert_close(step.estimate[index], own.estimate[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(step.held_out[index], own.held_out[0], atol=1e-5, rtol=1e-3)


def test_of_steps_that_are_asked_for_every_pixel_is_fitted() -> None:
    noisy = noisy_of(smooth(1, 16), "gaussian:25")
    dip = Dip(SMALL)
    settled = dip.settle(noisy, Options())
    (found,) = dip.estimates(noisy, settled, (3,))
    assert torch.equal(found, dip.denoise(noisy, replace(settled, stop="none", held_out=0.0, iters=3)))
    for stop, there in (("none", False), ("sigma:25", False), ("variance", False), ("auto", True), ("held-out", True)):
        with torch.enable_grad():
            step = next(dip.fit(noisy, replace(settled, stop=stop)))
        assert (step.held_out is not None) == there


def test_what_does_not_fit_into_memory_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 100_000)
    with pytest.raises(DeviceError, match=r"64x32 pixels takes about .* GB") as raised:
        Dip(Config()).denoise(torch.rand((1, 1, 32, 64)), QUICK)
    assert "--set width=8" in raised.value.hint and "pixels" in raised.value.hint


def test_of_several_processes_each_may_take_its_part_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**9)
    monkeypatch.setattr(memory, "_sharing", 1)
    noisy = torch.rand((1, 1, 32, 64))
    Dip(Config()).denoise(noisy, QUICK)
    memory.share(10**4)
    with pytest.raises(DeviceError, match=r"are free on cpu for each of 10000 processes"):
        Dip(Config()).denoise(noisy, QUICK)


def broken(**changes: Any) -> Callable[[], object]:
    if set(changes) <= set(Config.__dataclass_fields__):
        return lambda: Dip(replace(Config(), **changes))
    return lambda: Dip(SMALL).settle(smooth(), replace(Options(), **changes))


@pytest.mark.parametrize(
    "build",
    [
        broken(kind="unet"), broken(width=0), broken(side=4), broken(border="edge"), broken(input="sky"),
        broken(optimiser="sgd"), broken(rate=0.0), broken(jitter=-1.0), broken(average=1.0), broken(padding="mirror"),
        broken(pad_size=-1), broken(held_out=1.0), broken(loss="ssim"), broken(coarse=-1),
        broken(impulses=1.0), broken(impulses=-0.1),
    ],
)  # fmt: skip
def test_what_cannot_be(build: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        build()


def test_the_card() -> None:
    assert METHOD.name == "dip" and METHOD.recipe is None

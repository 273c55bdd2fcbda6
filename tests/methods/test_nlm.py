"""Non-local means."""

import pytest
import torch

from denoise_cli.errors import UsageError
from denoise_cli.methods.nlm import METHOD, Config, NonLocalMeans, Options
from denoise_cli.noise import parse, stored


def stripes(channels: int = 1) -> torch.Tensor:
    columns = torch.arange(64)
    return (0.3 + 0.4 * (columns // 8 % 2)).expand(1, channels, 64, 64).float()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_it_removes_most_of_the_noise(channels: int) -> None:
    clean = stripes(channels)
    noisy = stored(parse("gaussian:25")(clean, torch.Generator().manual_seed(0)).noisy)
    net = NonLocalMeans(Config())
    options = net.settle(noisy, Options())
    assert options.sigma == pytest.approx(25 / 255, rel=0.15)
    estimate = net.denoise(noisy, options)
    assert (estimate - clean).square().mean() < 0.25 * (noisy - clean).square().mean()


def test_a_sigma_above_one_is_on_the_scale_to_255() -> None:
    noisy = stored(parse("gaussian:25")(stripes(), torch.Generator().manual_seed(0)).noisy)
    net = NonLocalMeans(Config())
    assert torch.equal(net.denoise(noisy, Options(sigma=25)), net.denoise(noisy, Options(sigma=25 / 255)))
    assert torch.equal(net.denoise(noisy, net.settle(noisy, Options(sigma=0.0))), noisy)


@pytest.mark.parametrize("knob", [{"sigma": -1.0}, {"strength": -0.1}, {"patch": 4}, {"window": 0}])
def test_knobs_out_of_their_range(knob: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"nlm: {next(iter(knob))} cannot be"):
        NonLocalMeans(Config()).settle(stripes(), Options(**knob))  # type: ignore[arg-type]


def test_the_reach_covers_window_and_patch() -> None:
    assert METHOD.make(Config()).reach(Options(patch=5, window=21)) == 12


def test_each_image_of_a_batch_is_measured_by_itself() -> None:
    draws = torch.Generator().manual_seed(0)
    noisy = torch.cat([stored(parse(word)(stripes(), draws).noisy) for word in ("gaussian:5", "gaussian:50")])
    net = NonLocalMeans(Config())
    alone = [net.denoise(image[None], net.settle(image[None], Options())) for image in noisy]
    assert torch.equal(net.denoise(noisy, Options()), torch.cat(alone))

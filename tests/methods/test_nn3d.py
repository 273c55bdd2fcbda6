"""A net and a non-local filter in turns."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from denoise_cli import methods
from denoise_cli.errors import UsageError
from denoise_cli.layers.grouping import filter_groups, wiener
from denoise_cli.layers.matching import Search
from denoise_cli.methods.nn3d import METHOD, NN3D, Config, IterativeNN3D, _plain
from denoise_cli.metrics.psnr import psnr
from denoise_cli.noise import parse


@dataclass(frozen=True)
class Level:
    sigma: float | None = None


@dataclass
class Listener:
    """Takes notes of what it is given, and gives it back with an error of its own."""

    channels: int | None = None
    stride: int = 2
    heard: list[tuple[Tensor, float | None]] = field(default_factory=list)

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        self.heard.append((noisy, getattr(options, "sigma", None)))
        return 0.9 * noisy

    def reach(self, options: Any) -> int:
        return 3


def noisy_stripes(sigma: float = 30) -> tuple[Tensor, Tensor]:
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(54), indexing="ij")
    clean = (0.5 + 0.3 * torch.sin((rows + 2 * columns) / 3.0))[None, None]
    return clean, parse(f"gaussian:{sigma}")(clean, torch.Generator().manual_seed(0)).noisy


def test_the_rounds_of_the_paper() -> None:
    """Algorithm 1: mixing, levels and thresholds of two rounds, where groups stay those of the first."""
    _, noisy = noisy_stripes()
    sigma = 30 / 255
    net = NN3D(Config("nlm"))
    listener = Listener()
    net.around(listener, None)
    options = replace(METHOD.options, sigma=sigma, search=9)
    stages = list(net.stages(noisy, options))
    first = (0.9 * noisy).clamp(0, 1)
    search = Search(10, 3, 4, 32)
    spread = sigma / 4
    filtered = filter_groups([first / spread], first, search, _plain(noisy.device), wiener) * spread
    torch.testing.assert_close(stages[1], filtered.clamp(0, 1))
    second = 0.9 * (noisy + filtered.clamp(0, 1)) / 2
    torch.testing.assert_close(stages[2], second.clamp(0, 1))
    spread = sigma / 8
    filtered = filter_groups([stages[2] / spread], first, search, _plain(noisy.device), wiener) * spread
    torch.testing.assert_close(stages[3], filtered.clamp(0, 1))
    assert [level for _, level in listener.heard] == pytest.approx([sigma, sigma / 2])
    assert torch.equal(net.denoise(noisy, options), stages[3]) and len(stages) == 4


def test_noise_that_is_too_strong_for_the_net_is_made_weaker() -> None:
    _, noisy = noisy_stripes()
    net = NN3D(Config("nlm"))
    listener = Listener()
    net.around(listener, (0.0, 20 / 255))
    stages = list(net.stages(noisy, replace(METHOD.options, sigma=30.0, search=5)))
    torch.testing.assert_close(listener.heard[0][0], noisy * 2 / 3)
    torch.testing.assert_close(stages[0], (0.9 * noisy).clamp(0, 1))
    assert [level for _, level in listener.heard] == pytest.approx([20 / 255, 15 / 255])


def test_noise_does_not_fall_below_what_the_net_knows() -> None:
    _, noisy = noisy_stripes()
    net = NN3D(Config("nlm"))
    listener = Listener()
    net.around(listener, (24 / 255, 24 / 255))
    stages = list(net.stages(noisy, replace(METHOD.options, sigma=30.0, search=5)))
    assert [level for _, level in listener.heard] == pytest.approx([24 / 255, 24 / 255])
    torch.testing.assert_close(listener.heard[1][0], 0.8 * noisy + 0.2 * stages[1])


def test_the_filter_gains_on_a_pattern() -> None:
    clean, noisy = noisy_stripes()

    class Quarter(Listener):
        def denoise(self, noisy: Tensor, options: Any) -> Tensor:
            return clean + (noisy - clean) / 4

    net = NN3D(Config("nlm"))
    net.around(Quarter(), None)
    left, filtered, *_ = net.stages(noisy, replace(METHOD.options, sigma=30.0, search=21))
    assert psnr(filtered, clean) > psnr(left, clean) + 2


def test_the_card_has_the_options_of_both() -> None:
    card = methods.find("nn3d:tv")
    assert card.name == "nn3d:tv" and card.config == Config("tv") and not card.learns
    names = {"sigma", "rounds", "search", "strength", "iters"}
    assert names <= set(vars(card.options)) and card.options.iters == methods.find("tv").options.iters
    assert methods.find("nn3d:dncnn").learns and methods.find("nn3d:dncnn").recipe is None
    assert card.make(card.config).reach(replace(card.options, iters=4, search=11, rounds=2)) == 2 * (5 + 10 + 18)


def test_each_image_of_a_batch_is_measured_by_itself() -> None:
    noisy = torch.cat([noisy_stripes(10)[1], noisy_stripes(50)[1]])
    net, options = METHOD.make(Config()), replace(METHOD.options, search=5)
    alone = [net.denoise(one[None], net.settle(one[None], options)) for one in noisy]
    torch.testing.assert_close(net.denoise(noisy, options), torch.cat(alone))


def test_iterations_that_are_asked_for_are_all_that_a_net_takes() -> None:
    card = methods.find("nn3d:dip")
    net = card.make(card.config)
    listener = Listener()
    assert isinstance(net, IterativeNN3D) and card.options.stop == "auto"
    heard: list[Any] = []
    listener.denoise = lambda noisy, options: heard.append(options) or noisy  # type: ignore[method-assign,func-returns-value]
    net.around(listener, None)
    net.estimates(noisy_stripes()[1], replace(card.options, sigma=0.1, search=3), (2, 3))
    assert [(options.iters, options.stop) for options in heard] == [(2, "none")] * 2 + [(3, "none")] * 2


@pytest.mark.parametrize("name", ["nn3d:", "nn3d:nothing", "dt:dncnn", "nn3d:nn3d:dncnn"])
def test_names_that_do_not_go_together(name: str) -> None:
    with pytest.raises(UsageError, match="There is no model"):
        methods.find(name)


@pytest.mark.parametrize("knob", [{"sigma": -1.0}, {"rounds": 0}, {"search": 8}])
def test_knobs_out_of_their_range(knob: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"nn3d: {next(iter(knob))} cannot be"):
        METHOD.make(Config()).settle(noisy_stripes()[1], replace(METHOD.options, **knob))

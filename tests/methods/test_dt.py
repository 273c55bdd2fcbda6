"""The deep-thinking net."""

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from torch import nn

from denoise_cli import checkpoint, shelf
from denoise_cli.errors import UsageError
from denoise_cli.inference import tiles
from denoise_cli.layers.impulses import find_impulses, impulse_share
from denoise_cli.layers.median import MedianLayer
from denoise_cli.layers.turns import turn, turn_back
from denoise_cli.methods.dt import METHOD, Config, DeepThinking, Options, Progressive
from denoise_cli.muon import Muon
from denoise_cli.noise import Gaussian, parse, stored
from denoise_cli.noise.pair import Pair


def scenes(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Smooth random colour images in (0, 1)."""
    coarse = torch.rand((count, 3, 4, 4), generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0.1, 0.9)


def net_of(config: Config) -> DeepThinking:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DeepThinking(config)


def test_the_published_number_of_weights() -> None:
    assert sum(weights.numel() for weights in net_of(Config()).parameters()) == 27_360
    assert sum(weights.numel() for weights in net_of(Config(recall="impulses")).parameters()) == 27_360
    assert sum(weights.numel() for weights in net_of(Config(filter="median")).parameters()) == 27_360
    assert sum(weights.numel() for weights in net_of(Config(filter="dynamic")).parameters()) == 27_487
    assert METHOD.config == Config()


@pytest.mark.parametrize("recall", ["noisy", "impulses"])
def test_more_iterations_go_on_where_fewer_ended(recall: str) -> None:
    net = net_of(Config(width=6, recall=recall)).eval().requires_grad_(False)
    clean = scenes(1, 24, torch.Generator().manual_seed(0))
    noisy = parse("sp:0.2")(clean, torch.Generator().manual_seed(1)).noisy
    options = net.settle(noisy, Options())
    one, three = net.estimates(noisy, options, (1, 3))
    for count, estimate in ((1, one), (3, three)):
        alone = net.denoise(noisy, Options(iters=count, share=options.share))
        assert torch.equal(alone, estimate)
    assert not torch.equal(one, three)


@pytest.mark.parametrize("iters", [0, -3])
@pytest.mark.parametrize("recall", ["noisy", "impulses"])
def test_no_iterations_are_refused(recall: str, iters: int) -> None:
    net = net_of(Config(width=6, recall=recall))
    with pytest.raises(UsageError, match=f"dt cannot iterate {iters} times"):
        net.settle(torch.rand(1, 3, 16, 16), Options(iters=iters, share=0.1))


def test_pixels_that_are_no_impulses_stay_as_they_are() -> None:
    net = net_of(Config(width=6, recall="impulses")).eval().requires_grad_(False)
    clean = scenes(1, 24, torch.Generator().manual_seed(0))
    noisy = parse("sp:0.3")(clean, torch.Generator().manual_seed(1)).noisy
    known = (noisy == clean).all(dim=1, keepdim=True).expand_as(noisy)
    estimate = net.denoise(noisy, net.settle(noisy, Options(iters=7)))
    assert torch.equal(estimate[known], clean[known])
    assert (find_impulses(noisy, impulse_share(noisy)).expand_as(noisy) == ~known).all()
    assert (estimate[~known] != noisy[~known]).float().mean() > 0.99


def test_the_share_is_measured_unless_given() -> None:
    net = net_of(Config(width=6, recall="impulses"))
    noisy = parse("sp:0.3")(scenes(1, 64, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1)).noisy
    measured = net.settle(noisy, Options()).share
    assert measured == pytest.approx(0.3, abs=0.03)
    assert net.settle(noisy, Options(share=0.5)).share == 0.5
    assert net_of(Config(width=6)).settle(noisy, Options()) == Options()


def test_half_precision_sees_the_image_in_full() -> None:
    loaded = checkpoint.load(shelf.located("dt.sp"))
    net = net_of(Config(recall="impulses")).eval().requires_grad_(False)
    net.load_state_dict(dict(loaded.tensors))
    clean = scenes(1, 64, torch.Generator().manual_seed(0))
    noisy = parse("sp:0.2")(clean, torch.Generator().manual_seed(1)).noisy
    options = net.settle(noisy, Options(iters=10))
    full = net.denoise(noisy, options)
    with torch.autocast("cpu", torch.bfloat16):
        half = net.denoise(noisy, options)
    (walked,) = tiles.denoise(tiles.Work(net, options, (10,), torch.bfloat16), noisy, tiles.Tiling(None, 0))
    for estimate in (half, walked):  # 0.09 levels of 255 where it sees the image rounded
        assert 0 < 255 * (estimate - full).square().mean().sqrt() < 0.05


def test_a_recall_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match=r"no recall 'impulse'.\nDid you mean 'impulses'"):
        DeepThinking(Config(recall="impulse"))


@pytest.mark.parametrize("config", [{"fold": 3}, {"recall": "impulses"}, {"width": 6}])
def test_a_fold_that_does_not_exist(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"has no fold [23] with .*\nfold is 1, or 2"):
        DeepThinking(Config(**({"fold": 2} | config)))


@pytest.mark.parametrize("share", [1.0, -0.1])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(UsageError, match=r"dt: share cannot be .*\nIt is a share from 0 to below 1"):
        net_of(Config(recall="impulses")).settle(torch.rand((1, 3, 8, 8)), Options(share=share))


def test_each_block_sees_so_many_times_as_far_as_the_one_before() -> None:
    net = net_of(Config(blocks=3, dilation=2))
    assert [layer.dilation[0] for layer in net.blocks.modules() if isinstance(layer, nn.Conv2d)] == [1, 1, 2, 2, 4, 4]
    assert net.reach(Options(iters=2)) == 1 + 2 * (1 + 2 * (1 + 2 + 4)) + 3
    with pytest.raises(UsageError, match=r"dilation cannot be 0"):
        DeepThinking(Config(dilation=0))


def test_the_fold_thinks_at_half_the_size() -> None:
    net = net_of(Config(width=64, fold=2, residual=False)).eval().requires_grad_(False)
    assert sum(weights.numel() for weights in net.parameters()) == 222_912
    clean = scenes(1, 24, torch.Generator().manual_seed(0))
    noisy = parse("gaussian:25")(clean, torch.Generator().manual_seed(1)).noisy
    state = next(net.think(noisy, Options()))
    assert state.thought.shape == (1, 64, 12, 12) and state.estimate.shape == noisy.shape
    with torch.autocast("cpu", torch.bfloat16):
        assert (next(net.think(noisy, Options())).estimate - state.estimate).abs().max() < 0.05


@pytest.mark.parametrize("fold", [1, 2])
@pytest.mark.parametrize("iters", [1, 3, 5, 6, 12, 24, 48])
def test_with_turned_kernels_it_answers_with_the_mean_over_the_turned_image(iters: int, fold: int) -> None:
    net = net_of(Config(width=8, fold=fold, turn_every=3)).eval()
    plain = net_of(Config(width=8, fold=fold)).eval()
    noisy = 0.4 + 0.2 * torch.rand((2, 3, 18, 24), generator=torch.Generator().manual_seed(0))
    ways = [0, 1, 4, 2, 3, 7, 5, 6][: max(1, iters // 3)]
    with torch.no_grad():
        turned = [plain.denoise(turn(noisy, way), Options(iters=min(iters, 3))) for way in ways]
        expected = torch.stack([turn_back(image, way) for image, way in zip(turned, ways, strict=True)]).mean(dim=0)
        assert all((image > 0).all() and (image < 1).all() for image in turned)  # what is clipped has another mean
        torch.testing.assert_close(net.denoise(noisy, Options(iters=iters)), expected)


def test_with_turned_kernels_it_looks_no_farther_than_one_turn_does() -> None:
    net, plain = net_of(Config(turn_every=5)), net_of(Config())
    reaches = [net.reach(Options(iters=iters)) for iters in (3, 5, 50)]
    assert reaches == [plain.reach(Options(iters=iters)) for iters in (3, 5, 5)]
    assert "Every 5 iterations begin anew on the image turned" in net.graph().usage


@pytest.mark.parametrize(
    "config",
    [
        {"turn_every": -1},
        {"turn_every": 5, "recall": "impulses"},
        {"turn_every": 5, "filter": "median"},
    ],
)
def test_turns_that_cannot_be(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"dt does not turn every"):
        DeepThinking(Config(**config))


def test_a_filter_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match=r"no filter 'dynamics'.\nDid you mean 'dynamic'"):
        DeepThinking(Config(filter="dynamics"))


@pytest.mark.parametrize("filter", ["median", "dynamic"])
def test_the_filter_comes_before_the_recall(filter: str) -> None:
    net = net_of(Config(width=6, filter=filter)).eval().requires_grad_(False)
    noisy = parse("sp:0.2")(scenes(1, 16, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1)).noisy
    seen: list[torch.Tensor] = []
    net.recall.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    next(net.think(noisy, Options()))
    both = torch.cat((net.projection(noisy).relu(), noisy), dim=1)
    layer = MedianLayer(3) if filter == "median" else net.filter
    assert torch.equal(seen[0], layer(both)) and not torch.equal(seen[0], both)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_loss_is_drawn_from_the_generator_alone(alpha: float) -> None:
    net = net_of(Config(width=6))
    recipe = Progressive(noise="sp:0.1", patch=16, batch=2, steps=1, alpha=alpha, max_iters=2, free_iters=2, loss="mse")
    clean = scenes(2, 16, torch.Generator().manual_seed(0))
    pair = parse(recipe.noise)(clean, torch.Generator().manual_seed(1))
    values = [net.loss(pair, recipe, torch.Generator().manual_seed(seed)).item() for seed in (3, 3)]
    assert values[0] == values[1]
    if alpha == 0.0:  # all iterations, the last one judged (equation 4)
        last = list(zip(range(2), net.think(pair.noisy, Options()), strict=False))[-1][1]
        assert values[0] == pytest.approx((last.estimate - clean).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_similarity_is_added_with_its_weight(alpha: float) -> None:
    net = net_of(Config(width=6))
    recipe = Progressive(noise="sp:0.1", patch=16, batch=2, steps=1, alpha=alpha, max_iters=3, loss="mse", gamma=0.5)
    clean = scenes(2, 16, torch.Generator().manual_seed(0))
    pair = parse(recipe.noise)(clean, torch.Generator().manual_seed(1))
    plain, summed = (
        net.loss(pair, replace(recipe, loss=loss), torch.Generator().manual_seed(3)).item()
        for loss in ("mse", "mse + 0.08*similarity")
    )
    first, second, _ = islice(net.think(pair.noisy, Options()), 3)
    distances = [(state.estimate - pair.noisy).square().mean().item() for state in (first, second)]
    assert summed == pytest.approx(plain + 0.08 * (0.5 * distances[0] + 0.25 * distances[1]), rel=1e-5)


@pytest.mark.parametrize("filter", ["median", "dynamic"])
def test_every_weight_learns_behind_a_filter(filter: str) -> None:
    net = net_of(Config(width=6, filter=filter)).train()
    recipe = Progressive(noise="sp:0.1", patch=16, batch=2, steps=1, max_iters=3, free_iters=2, loss="mse")
    pair = parse(recipe.noise)(scenes(2, 16, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1))
    net.loss(pair, recipe, torch.Generator().manual_seed(3)).backward()  # type: ignore[no-untyped-call]
    still = [name for name, weights in net.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert set(still) <= {"projection.weight", "filter.reduce.0.bias"}  # skipped without gradient; taken out by the BN


@pytest.mark.parametrize(("recall", "noise"), [("noisy", "gaussian:25"), ("impulses", "sp:0.2")])
def test_a_short_training_beats_the_noisy_image(recall: str, noise: str) -> None:
    net = net_of(Config(width=12, recall=recall))
    recipe = Progressive(noise=noise, patch=24, batch=4, steps=40, max_iters=3, free_iters=2, loss="log-mse")
    optimiser = torch.optim.Adam(net.parameters(), lr=4e-3)
    generator = torch.Generator().manual_seed(0)
    kind = parse(noise)
    for _ in range(recipe.steps):
        pair = kind(scenes(recipe.batch, recipe.patch, generator), generator)
        optimiser.zero_grad()
        net.loss(pair, recipe, generator).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    net.eval().requires_grad_(False)
    pair = kind(scenes(4, 32, generator), generator)
    noisy = stored(pair.noisy)
    before = (noisy - pair.clean).square().mean()
    for count, estimate in zip((2, 4), net.estimates(noisy, Options(), (2, 4)), strict=True):
        after = (estimate - pair.clean).square().mean()
        assert after < 0.6 * before, f"{count} iterations: {after:.5f} of {before:.5f}"


def test_the_fold_starts_so_that_it_learns_at_once() -> None:
    net = net_of(Config(width=24, fold=2, residual=False))
    recipe = Progressive(
        noise="gaussian:25", patch=24, batch=4, steps=40, max_iters=3, alpha=0.0, every=False, loss="log-mse"
    )
    optimiser, generator, kind = Muon(net.parameters(), 2e-3), torch.Generator().manual_seed(0), parse(recipe.noise)
    for _ in range(recipe.steps):
        optimiser.zero_grad()
        net.loss(kind(scenes(recipe.batch, recipe.patch, generator), generator), recipe, generator).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
    pair = kind(scenes(4, 32, generator), generator)
    with torch.no_grad():
        estimate = net.denoise(stored(pair.noisy), Options(iters=recipe.max_iters))
    assert (estimate - pair.clean).square().mean() < 0.6 * (pair.noisy - pair.clean).square().mean()


def test_noise_words_fit_the_recipe() -> None:
    assert METHOD.recipe is not None
    kind = parse(METHOD.recipe.noise)
    assert isinstance(kind, Gaussian)
    assert isinstance(kind(torch.full((1, 3, 8, 8), 0.5), torch.Generator().manual_seed(0)), Pair)

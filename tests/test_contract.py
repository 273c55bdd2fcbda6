"""What every method promises (see ``denoise_cli.method``), checked for each by its card alone."""

import json
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from denoise_cli import checkpoint, methods
from denoise_cli.image import Image, Source
from denoise_cli.inference import tiles
from denoise_cli.inference.load import load_net
from denoise_cli.inference.run import Engine, answer
from denoise_cli.inference.walk import schedule, walk
from denoise_cli.method import Denoiser, Iterative, Method, Trainable
from denoise_cli.noise import Pair
from denoise_cli.shapes import pad_to_multiple

SMALLER = {"depth": 4, "features": 8, "width": 6, "blocks": 1, "stages": 2, "units": 2}  # of a config that has it
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in methods.names() if not methods.find(name).classifies),
    ("dt", {"recall": "impulses"}),
    ("dt", {"residual": False}),
    ("dt", {"fold": 2, "width": 16, "residual": False}),
    ("dt", {"fold": 2, "width": 8, "dilation": 2, "blocks": 2, "turn_every": 2}),
    ("dt", {"turn_every": 2}),
    ("dt", {"filter": "median"}),
    ("dt", {"filter": "dynamic"}),
    ("dt", {"filter": "dynamic", "recall": "impulses"}),
    ("dncnn", {"batch_norm": False}),
    ("median-cnn", {"switching": True, "window": 3}),
    ("nn3d:median", {}),
    ("nn3d:tv", {}),
]
EACH = pytest.mark.parametrize("variant", range(len(VARIANTS)), ids=[f"{n}{v or ''}" for n, v in VARIANTS])


def card_of(variant: int) -> Method:
    return methods.find(VARIANTS[variant][0])


def config_of(variant: int) -> Any:
    """The card's config made small."""
    config = card_of(variant).config
    names = {field.name: type(getattr(config, field.name)) for field in fields(config)}
    small = {name: value for name, value in SMALLER.items() if names.get(name) is int}
    return replace(config, **(small | VARIANTS[variant][1]))


def options_of(variant: int) -> Any:
    """The card's options with few iterations and, for filters that measure it, a level."""
    options = card_of(variant).options
    few = {"iters": 3, "window": 5, "patch": 3, "search": 5}
    names = {field.name for field in fields(options)}
    return replace(options, **{name: value for name, value in few.items() if name in names})


@cache
def make(variant: int) -> Denoiser:
    """The small denoiser, as it is used: in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = card_of(variant).make(config_of(variant))
    if isinstance(denoiser, nn.Module):
        denoiser.eval().requires_grad_(False)
    return denoiser


def images(height: int, width: int, channels: int | None, count: int = 1, seed: int = 0) -> Tensor:
    """Noise in [0, 1] with some salt and pepper, in eight bits."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand((count, channels or 3, height, width), generator=generator)
    chance = torch.rand((count, 1, height, width), generator=generator)
    return torch.where(chance < 0.1, (chance < 0.05).float(), uniform.mul(255).round().div(255))


def settled(variant: int, noisy: Tensor) -> Any:
    return make(variant).settle(noisy, options_of(variant))


@EACH
def test_the_card(variant: int) -> None:
    card = card_of(variant)
    assert card.name == VARIANTS[variant][0] and card.summary and "\n" not in card.summary
    authors, colon, title = card.paper.partition(": ")
    assert authors and colon and len(title) > 20
    denoiser = make(variant)
    assert isinstance(denoiser, Denoiser)
    assert isinstance(denoiser, Trainable) == isinstance(denoiser, nn.Module) == (card.recipe is not None)
    assert isinstance(denoiser, Iterative) == hasattr(card.options, "iters")


@EACH
def test_config_options_and_recipe_survive_json(variant: int) -> None:
    card = card_of(variant)
    for part in (config_of(variant), card.config, card.options, card.recipe):
        if part is not None:
            assert type(part)(**json.loads(json.dumps(asdict(part)))) == part


@EACH
@pytest.mark.parametrize("size", [(37, 53), (1, 1), (1, 90), (90, 1)])
def test_shape_type_and_range(variant: int, size: tuple[int, int]) -> None:
    denoiser = make(variant)
    noisy = images(*size, denoiser.channels)
    padded = pad_to_multiple(noisy, denoiser.stride)
    before = padded.clone()
    estimate = denoiser.denoise(padded, settled(variant, noisy))
    assert estimate.shape == padded.shape and estimate.dtype == torch.float32
    assert estimate.isfinite().all() and estimate.min() >= 0 and estimate.max() <= 1
    assert torch.equal(padded, before), "the noisy image was changed in place"


@EACH
def test_the_same_again(variant: int) -> None:
    denoiser = make(variant)
    noisy = pad_to_multiple(images(24, 32, denoiser.channels), denoiser.stride)
    options = settled(variant, noisy)
    assert torch.equal(denoiser.denoise(noisy, options), denoiser.denoise(noisy, options))
    again = make.__wrapped__(variant)
    assert torch.equal(denoiser.denoise(noisy, options), again.denoise(noisy, options))


@EACH
def test_images_of_a_batch_do_not_meet(variant: int) -> None:
    denoiser = make(variant)
    noisy = pad_to_multiple(images(24, 32, denoiser.channels, count=2), denoiser.stride)
    options = settled(variant, noisy[:1])
    both = denoiser.denoise(noisy, options)
    for index in range(2):
        torch.testing.assert_close(
            both[index : index + 1], denoiser.denoise(noisy[index : index + 1], options), atol=1e-4, rtol=0
        )


@EACH
def test_tiles_equal_the_whole(variant: int) -> None:
    denoiser = make(variant)
    noisy = images(70, 110, denoiser.channels)
    options = settled(variant, noisy)
    work = tiles.Work(denoiser, options)
    tiling = tiles.plan(70, 110, work, side=32)
    assert (tiling.side is None) == (denoiser.reach(options) is None)
    whole = denoiser.denoise(pad_to_multiple(noisy, denoiser.stride), options)[..., :70, :110]
    pieces = tiles.denoise(work, noisy, tiling)[0]
    assert pieces.shape == noisy.shape
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)


@EACH
def test_strips_equal_the_whole(variant: int) -> None:
    denoiser = make(variant)
    noisy = images(40, 110, denoiser.channels)
    options = settled(variant, noisy)
    work = tiles.Work(denoiser, options)
    margin = tiles.plan(40, 110, work, side=32).margin
    whole = denoiser.denoise(pad_to_multiple(noisy, denoiser.stride), options)[..., :40, :110]
    strips = tiles.denoise(work, noisy, tiles.Tiling(None, margin, 32 if work.reach is not None else None))[0]
    torch.testing.assert_close(strips, whole, atol=1e-5, rtol=0)


@EACH
@pytest.mark.parametrize("rows", [1, 13, 20])
def test_a_walk_equals_the_whole(variant: int, rows: int) -> None:
    """Row by row, wherever the rows are cut, at no more operations; every convolutional net can be walked."""
    denoiser = make(variant)
    noisy = pad_to_multiple(images(70, 40, denoiser.channels), denoiser.stride)
    options = settled(variant, noisy)
    way = tiles.traced(tiles.Work(denoiser, options), tuple(noisy.shape), noisy.device)
    if way is None:
        assert not isinstance(denoiser, nn.Module) or denoiser.reach(options) is None
        pytest.skip("cannot be walked")
    whole = denoiser.denoise(noisy, options)
    bands = list(walk(way, rows, lambda first, end: noisy[..., first:end, :]))
    torch.testing.assert_close(torch.cat([band[0] for _, band in bands], dim=-2), whole, atol=1e-5, rtol=0)
    assert [first for first, _ in bands] == sorted({first for first, _ in bands})
    made = [0] * len(way.nodes)
    for piece in (piece for pieces in schedule(way, rows) for piece in pieces):
        made[piece.place] += piece.end - piece.first
    assert all(count <= node.height for count, node in zip(made, way.nodes, strict=True))


@EACH
def test_the_reach_is_honest(variant: int) -> None:
    """Another image outside the reach of a pixel changes nothing there; another one inside changes something."""
    denoiser = make(variant)
    options = settled(variant, images(40, 40, denoiser.channels))
    reach = denoiser.reach(options)
    if reach is None:
        pytest.skip("reaches the whole image")
    step = denoiser.stride
    centre = -(-(reach + 2) // step) * step
    noisy = images(2 * centre + step, 2 * centre + step, denoiser.channels)
    inside = torch.zeros(noisy.shape[-2:], dtype=torch.bool)
    inside[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1] = True
    assert not inside.all()
    other = images(*noisy.shape[-2:], denoiser.channels, seed=1)
    here = (..., centre, centre)
    outside_changed = denoiser.denoise(torch.where(inside, noisy, other), options)
    inside_changed = denoiser.denoise(torch.where(inside, other, noisy), options)
    estimate = denoiser.denoise(noisy, options)
    torch.testing.assert_close(outside_changed[here], estimate[here], atol=1e-6, rtol=0)
    assert not torch.equal(inside_changed, estimate)


@EACH
def test_the_reach_grows_with_the_iterations(variant: int) -> None:
    options = options_of(variant)
    if not hasattr(options, "iters"):
        pytest.skip("does not iterate")
    reaches = [make(variant).reach(replace(options, iters=count)) for count in (1, 2, 5)]
    assert reaches == sorted(reaches, key=lambda reach: float("inf") if reach is None else reach)
    assert reaches[0] is None or reaches[0] != reaches[1]


@EACH
def test_save_load_equal(variant: int, tmp_path: Path) -> None:
    card, denoiser = card_of(variant), make.__wrapped__(variant)
    if card.recipe is None:
        pytest.skip("has no weights")
    assert isinstance(denoiser, nn.Module) and isinstance(denoiser, Denoiser)
    for module in denoiser.modules():  # statistics that differ from those of a fresh net
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.8, 1.25)
            nn.init.uniform_(module.weight, 0.8, 1.25)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    path = tmp_path / "net.safetensors"
    config, recipe = asdict(config_of(variant)), asdict(card.recipe)
    checkpoint.save(path, checkpoint.Checkpoint(card.name, config, recipe, {"step": 3}, denoiser.state_dict()))
    noisy = pad_to_multiple(images(24, 32, denoiser.channels), denoiser.stride)
    options = denoiser.settle(noisy, options_of(variant))
    loaded = load_net(path, card)
    torch.testing.assert_close(loaded.denoise(noisy, options), denoiser.denoise(noisy, options), atol=1e-5, rtol=1e-4)


@EACH
def test_the_loss_reaches_the_weights(variant: int) -> None:
    card, net = card_of(variant), make.__wrapped__(variant)
    if card.recipe is None:
        pytest.skip("has nothing to train")
    assert isinstance(net, nn.Module) and isinstance(net, Trainable)
    net.train().requires_grad_(True)
    clean = images(16, 16, net.channels, count=2)
    noisy = images(16, 16, net.channels, count=2, seed=1)
    pair = Pair(clean, noisy, torch.full((2, 1, 1, 1), 0.1))
    value = net.loss(pair, card.recipe, torch.Generator().manual_seed(0))
    assert value.shape == () and value.isfinite() and value > 0
    for seed in range(8):  # some weights take part from the second iteration on, and how many there are is drawn
        net.loss(pair, card.recipe, torch.Generator().manual_seed(seed)).backward()
        if not (unreached := [name for name, weights in net.named_parameters() if weights.grad is None]):
            break
    assert not unreached and max(weights.grad.norm().item() for weights in net.parameters()) > 0
    again = net.loss(pair, card.recipe, torch.Generator().manual_seed(0))
    torch.testing.assert_close(again, value)


@EACH
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_colour_images(variant: int, channels: int) -> None:
    pixels = images(21, 34, channels)[0].numpy()
    engine = Engine(make(variant), options_of(variant), torch.device("cpu"), torch.float32)
    estimate = answer(engine, Image(pixels, Source("x.png"))).images[0].pixels
    assert estimate.shape == (channels, 21, 34) and estimate.dtype == "float32"

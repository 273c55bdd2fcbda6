"""The classifier: its sizes, how pictures are varied, that it learns and can be stored."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from denoise_cli import checkpoint, seeds
from denoise_cli.errors import UsageError
from denoise_cli.inference.load import load_module
from denoise_cli.method import Classifier, Denoiser
from denoise_cli.methods import find
from denoise_cli.methods.classifier import METHOD, Config, Varied, Vgg, _patchwork, _zoomed, make
from denoise_cli.noise import Pair

TEN = tuple("abcdefghij")
BODIES = pytest.mark.parametrize("body", ["vgg", "dsc"])


def small(body: str, classes: tuple[str, ...] = ("one", "two")) -> Vgg:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(Config(classes=classes, body=body, features=4, width=8))


@pytest.mark.parametrize(
    ("kernel", "width", "weights"),
    [(5, 518, 12_945_616), (5, 512, 12_808_906), (3, 518, 10_099_920), (3, 512, 9_987_786)],
)
def test_as_many_weights_as_published(kernel: int, width: int, weights: int) -> None:
    with torch.device("meta"):
        net = make(Config(classes=TEN, body="dsc", features=64, width=width, kernel=kernel))
    assert sum(parameter.numel() for parameter in net.parameters()) == weights


def test_two_hundred_classes_take_less_than_ten_megabytes_in_half_precision() -> None:
    net = make(Config(classes=tuple(map(str, range(200)))))
    numbers = sum(value.numel() for value in net.state_dict().values())
    assert 2 * numbers < 10_000_000


def test_the_card() -> None:
    assert METHOD.name == "classifier" and METHOD.classifies and not find("dt").classifies
    config = Config(classes=("a", "animals/b"))
    assert Config(**json.loads(json.dumps(asdict(config)))) == config
    assert type(METHOD.recipe)(**json.loads(json.dumps(asdict(METHOD.recipe)))) == METHOD.recipe
    assert isinstance(small("vgg"), Classifier) and not isinstance(small("vgg"), Denoiser)


@BODIES
@pytest.mark.parametrize("size", [(64, 64), (32, 48), (37, 53), (1, 1)])
def test_scores_and_features_of_any_size(body: str, size: tuple[int, int]) -> None:
    net = small(body).eval()
    images = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0))
    assert net.scores(images).shape == (2, 2)
    features = net.features(images)
    assert features.shape == (2, 1024) if body == "dsc" else (2, 8, -(-size[0] // 2), -(-size[1] // 2))
    torch.testing.assert_close(net.scores(images[:1]), net.scores(images)[:1])


@BODIES
def test_what_is_stored_scores_the_same(body: str, tmp_path: Path) -> None:
    net = small(body)
    images = torch.rand((4, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    net.train()(images)  # running statistics that are not those of a fresh net
    config = Config(classes=("one", "two"), body=body, features=4, width=8)
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint("classifier", asdict(config), {}, {}, net.state_dict()))
    loaded = load_module(path, METHOD)
    assert isinstance(loaded, Vgg) and loaded.classes == ("one", "two")
    torch.testing.assert_close(loaded.scores(images), net.eval().scores(images), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(loaded.features(images), net.features(images), atol=1e-5, rtol=1e-4)


def test_unknown_bodies_and_no_classes() -> None:
    with pytest.raises(UsageError, match=r"no body 'vg'.\nDid you mean 'vgg'"):
        make(Config(classes=TEN, body="vg"))
    with pytest.raises(UsageError, match="without classes"):
        make(Config())
    with pytest.raises(UsageError, match="no gates 'fromula'"):
        make(Config(classes=TEN, body="dsc", gates="fromula"))


def test_a_picture_is_looked_at_in_part() -> None:
    ramp = torch.linspace(0, 1, 33).expand(40, 1, 33, 33)
    ramp = torch.cat((ramp, ramp.mT), dim=1)  # channel 0 says the column, channel 1 the row
    uniform = torch.rand((40, 4), generator=torch.Generator().manual_seed(0))
    seen = _zoomed(ramp, 0.5, uniform)
    assert seen.shape == ramp.shape and seen.min() >= 0 and seen.max() <= 1
    for channel, axis in ((0, 3), (1, 2)):
        sides = (seen[:, channel].amax(dim=(1, 2)) - seen[:, channel].amin(dim=(1, 2))).tolist()
        assert 0.45 < min(sides) < 0.65 and 0.85 < max(sides) <= 1
        assert (seen[:, channel : channel + 1].diff(dim=axis) >= 0).all()  # upright, as it was
    torch.testing.assert_close(_zoomed(ramp, 1.0, uniform), ramp, atol=1e-5, rtol=0)


def test_patchwork_says_how_much_of_a_picture_is_its_own() -> None:
    images = torch.arange(3.0)[:, None, None, None].expand(3, 1, 20, 30)
    shares = []
    for seed in range(30):
        mixed, share = _patchwork(images, 0.5, torch.Generator().manual_seed(seed))
        own = (mixed == images).float().mean(dim=(1, 2, 3))
        torch.testing.assert_close(own, torch.full((3,), share))
        assert ((mixed == images) | (mixed == images.roll(1, 0))).all()
        shares.append(share)
    assert 5 < sum(share == 1 for share in shares) < 25 and min(shares) < 0.4


def _pictures(count: int, key: int) -> Pair:
    """Stripes across or down, in noise."""
    generator = seeds.generator(0, "stripes", key)
    label = torch.randint(2, (count, 1, 1, 1), generator=generator)
    across = (torch.arange(32) // 4 % 2).float().expand(count, 3, 32, 32)
    clean = torch.where(label == 1, across, across.mT)
    noisy = clean + 0.3 * torch.randn(clean.shape, generator=generator)
    return Pair(clean, noisy, torch.zeros((count, 1, 1, 1)), label, torch.arange(count)[:, None, None, None])


def _recipe(**changes: object) -> Varied:
    assert isinstance(METHOD.recipe, Varied)
    return replace(METHOD.recipe, **changes)  # type: ignore[arg-type]


@BODIES
def test_a_few_steps_tell_two_kinds_of_pictures_apart(body: str) -> None:
    net, recipe = small(body).train(), _recipe(dropout=0.1)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(40):
        optimiser.zero_grad()
        net.loss(_pictures(16, step), recipe, seeds.generator(0, "loss", step)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    pair = _pictures(64, -1)
    assert pair.label is not None
    right = net.eval().scores(pair.noisy).argmax(dim=1) == pair.label.flatten()
    assert right.float().mean() > 0.9


def test_the_loss_is_drawn_from_the_generator_alone() -> None:
    net, recipe = small("vgg"), _recipe(dropout=0.5)
    values = [net.loss(_pictures(8, 0), recipe, torch.Generator().manual_seed(seed)).item() for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("size", [1, 4])
def test_parts_of_a_batch_are_varied_as_in_the_whole(size: int) -> None:
    net, pair = small("dsc"), _pictures(6, 0)  # a body without batch norm
    recipe = _recipe(dropout=0.5, patchwork=0.0, batch=6)
    values = [len(part.clean) * net.loss(part, recipe, seeds.generator(1)).item() for part in pair.parts(size)]
    assert sum(values) / 6 == pytest.approx(net.loss(pair, recipe, seeds.generator(1)).item(), abs=1e-5)


def test_the_loss_is_the_cross_entropy_of_the_label() -> None:
    net, pair = small("vgg").eval(), _pictures(8, 0)
    recipe = _recipe(zoom=1.0, patchwork=0.0, smoothing=0.0, loss="2*cross-entropy")
    assert pair.label is not None
    chances: Tensor = net.scores(pair.noisy).log_softmax(dim=1).gather(1, pair.label.view(8, 1))
    value = net.loss(pair, recipe, torch.Generator().manual_seed(0))
    torch.testing.assert_close(value, -2 * chances.mean(), atol=1e-4, rtol=1e-4)

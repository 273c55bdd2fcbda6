"""One image through one denoiser."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from denoise_cli import methods
from denoise_cli.errors import DenoiseError, DeviceError, InputError
from denoise_cli.image import Box, Image, Source
from denoise_cli.inference import converge, tiles
from denoise_cli.inference.run import Asked, Engine, answer, answer_all, go_together
from denoise_cli.layers.turns import TURNS, turn, turn_back
from denoise_cli.method import Denoiser


@dataclass
class Fake:
    """A denoiser that halves the image, fails for large ones, and remembers what it got."""

    channels: int | None = None
    largest: int = 10**9  # pixels that fit into its memory
    bad: tuple[torch.dtype, ...] = ()  # what it cannot compute in
    wrong: float = torch.nan  # what it gives there
    stride: int = 1
    sizes: list[tuple[int, ...]] = field(default_factory=list)

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def reach(self, options: Any) -> int | None:
        return 0

    def denoise(self, noisy: Tensor, options: Any) -> Tensor:
        if isinstance(noisy, Tensor):  # and not something that only stands for one
            self.sizes.append(tuple(noisy.shape))
        if noisy[0, 0].numel() > self.largest:
            raise torch.OutOfMemoryError("out of memory")
        used = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        return torch.full_like(noisy, self.wrong) if used in self.bad else noisy / 2


def image(channels: int, height: int = 100, width: int = 150) -> Image:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((channels, height, width), generator=generator).numpy()
    return Image(pixels, Source("x.png", comment=b"kept"))


def engine(fake: Fake, **changes: Any) -> Engine:
    return replace(Engine(fake, None, torch.device("cpu"), torch.float32), **changes)


@pytest.mark.parametrize("takes", [None, 1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_there_and_back(takes: int | None, channels: int) -> None:
    fake, noisy = Fake(channels=takes), image(channels)
    (clean,) = answer(engine(fake), noisy).images
    assert clean.pixels == pytest.approx(noisy.pixels / 2) and clean.source is noisy.source
    assert fake.sizes[0][1] == (takes or channels)


def test_out_of_memory_halves_the_tiles() -> None:
    fake, noisy = Fake(largest=80 * 80), image(1)
    told: list[str] = []
    (clean,) = answer(engine(fake, notice=told.append), noisy).images
    assert told == ["out of memory on cpu: trying again in tiles of 75 pixels"]
    assert clean.pixels == pytest.approx(noisy.pixels / 2)
    assert fake.sizes[0][2:] == (100, 150) and fake.sizes[-1][2] <= 75
    with pytest.raises(DeviceError, match=r"Out of memory on cpu, for an image of 150x100 pixels"):
        answer(engine(Fake(largest=10)), noisy)


def test_what_is_not_finite_is_computed_again_in_float32() -> None:
    noisy = image(1)
    (clean,) = answer(engine(Fake(bad=(torch.bfloat16,)), dtype=torch.bfloat16), noisy).images
    assert clean.pixels == pytest.approx(noisy.pixels / 2)
    with pytest.raises(DenoiseError, match=r"x.png: the result is not finite, in float32 either"):
        answer(engine(Fake(bad=(torch.bfloat16, torch.float32)), dtype=torch.bfloat16), noisy)


def test_one_value_everywhere_is_no_picture_of_a_photo_but_of_a_flat_one() -> None:
    noisy = image(1)
    (clean,) = answer(engine(Fake(bad=(torch.bfloat16,), wrong=0.0), dtype=torch.bfloat16), noisy).images
    assert clean.pixels == pytest.approx(noisy.pixels / 2)
    both = Fake(bad=(torch.bfloat16, torch.float32), wrong=0.0)
    with pytest.raises(DenoiseError, match=r"x.png: the result is one value everywhere, in float32 either"):
        answer(engine(both, dtype=torch.bfloat16), noisy)
    middle = float(noisy.pixels.mean())
    (flat,) = answer(engine(replace(both, wrong=middle)), noisy).images
    assert flat.pixels == pytest.approx(middle)


def net(name: str, **config: Any) -> Denoiser:
    """A small net with random weights."""
    card = methods.find(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = card.make(replace(card.config, **{"channels": 3, **config}))
    assert isinstance(made, torch.nn.Module) and isinstance(made, Denoiser)
    made.eval().requires_grad_(False)
    return made


CPU = torch.device("cpu")
BOXES = [Box(40, 30, 25, 17), Box(0, 0, 10, 12), Box(139, 91, 11, 9), Box(0, 0, 150, 100)]


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("every_turn", [False, True])
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("dncnn", {"depth": 4, "features": 4}),
        ("ffdnet", {"depth": 3, "features": 4}),
        ("dt", {"width": 4, "blocks": 1, "recall": "impulses"}),
        ("dt", {"width": 4, "blocks": 1, "turn_every": 1}),
    ],
)
def test_a_crop_is_that_of_the_whole(name: str, config: dict[str, Any], every_turn: bool, box: Box) -> None:
    options = methods.find(name).options
    options = replace(options, iters=2) if hasattr(options, "iters") else options
    whole = Engine(net(name, **config), options, CPU, torch.float32, asked=Asked(every_turn=every_turn))
    (expected,) = answer(whole, image(3)).images
    (found,) = answer(replace(whole, asked=Asked(box=box, every_turn=every_turn)), image(3)).images
    assert found.pixels == pytest.approx(expected.cut(box).pixels, abs=1e-5) and found.source.comment == b"kept"


def test_a_crop_costs_no_more_than_its_margin() -> None:
    fake = Fake()
    answer(engine(fake, asked=Asked(box=BOXES[0])), image(1))
    assert fake.sizes == [(1, 1, 17, 25)]
    with pytest.raises(InputError, match=r"The crop 140,90,11,9 is not within x.png, which has 150x100 pixels"):
        answer(engine(fake, asked=Asked(box=Box(140, 90, 11, 9))), image(1))
    assert len(fake.sizes) == 1


def test_every_turn_is_the_mean_over_eight() -> None:
    denoiser = net("dncnn", depth=3, features=4)
    noisy = torch.from_numpy(image(3).pixels)[None]
    mean = torch.stack([turn_back(denoiser.denoise(turn(noisy, way), None), way) for way in TURNS]).mean(dim=0)
    (found,) = answer(Engine(denoiser, None, CPU, torch.float32, asked=Asked(every_turn=True)), image(3)).images
    assert found.pixels == pytest.approx(mean[0].numpy(), abs=1e-6)


def test_until_it_converges(monkeypatch: pytest.MonkeyPatch) -> None:
    options = methods.find("dt").options
    denoiser = net("dt", width=4, blocks=1)
    monkeypatch.setattr(converge, "_STILL", 0.02)
    until = Engine(denoiser, options, CPU, torch.float32, asked=Asked(until_converged=True))
    found = answer(until, image(3))
    assert found.counts is not None and 5 < found.counts[0] < converge.MOST
    (same,) = answer(Engine(denoiser, options, CPU, torch.float32, found.counts), image(3)).images
    assert found.images[0].pixels == pytest.approx(same.pixels, abs=1e-6)
    crop = answer(replace(until, asked=Asked(until_converged=True, box=BOXES[0])), image(3))
    assert crop.counts == found.counts
    assert crop.images[0].pixels == pytest.approx(same.cut(BOXES[0]).pixels, abs=1e-5)
    tiled = answer(replace(until, tile=64), image(3))
    assert tiled.counts is not None and tiled.images[0].pixels.shape == (3, 100, 150)


def test_the_iterations_are_told() -> None:
    options = methods.find("dt").options
    dt = Engine(net("dt", width=4, blocks=1), replace(options, iters=2), CPU, torch.float32)
    assert answer(dt, image(3)).counts == (2,)
    assert answer(replace(dt, counts=(1, 3)), image(3)).counts == (1, 3)
    assert answer(engine(Fake()), image(3)).counts is None


def test_no_iterations_are_told_of_what_stops_by_itself() -> None:
    card = methods.find("dip")
    fitter = card.make(replace(card.config, width=4, inputs=2, depth=1))
    assert isinstance(fitter, Denoiser)
    dip = Engine(fitter, replace(card.options, iters=3), CPU, torch.float32)
    assert answer(dip, image(1, 9, 8)).counts is None
    assert answer(replace(dip, options=replace(dip.options, stop="none")), image(1, 9, 8)).counts == (3,)
    assert answer(replace(dip, counts=(1, 2)), image(1, 9, 8)).counts == (1, 2)


def test_images_of_one_size_are_answered_together() -> None:
    fake, images = Fake(channels=1), [image(3), image(3)]
    assert images[0].samples.shape == images[1].samples.shape
    images[1] = images[1].with_pixels(1 - images[1].pixels)
    found = answer_all(engine(fake), images)
    assert fake.sizes == [(6, 1, 100, 150)]
    for one, noisy in zip(found, images, strict=True):
        assert one.images[0].pixels == pytest.approx(noisy.pixels / 2) and one.images[0].source is noisy.source


def test_together_is_the_same_as_alone() -> None:
    card = methods.find("dncnn")
    torch.manual_seed(0)
    net: Any = card.make(replace(card.config, depth=3, features=8))
    here = engine(net.eval(), options=card.options)
    images = [image(3, 24, 20), image(3, 24, 20)]
    images[1] = images[1].with_pixels(1 - images[1].pixels)
    together = answer_all(here, images)
    for one, noisy in zip(together, images, strict=True):
        assert one.images[0].pixels == pytest.approx(answer(here, noisy).images[0].pixels, abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_different_noise_go_together(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    card = methods.find("ffdnet")
    here = Engine(net("ffdnet", channels=channels, depth=3, features=4), card.options, CPU, torch.float32)
    clean, draw = torch.linspace(0.1, 0.9, 36).expand(3, 33, 36), torch.randn(3, 33, 36)
    flat = [Image((clean + sigma * draw).numpy(), Source("x.png")) for sigma in (0.05, 0.2)]
    images = [*flat, Image((clean + 0.2 * clean.sqrt() * draw).numpy(), Source("x.png"))]  # this noise grows with light
    alone = [answer(here, noisy).images[0].pixels for noisy in images]
    sizes: list[int] = []
    original = tiles.denoise

    def spied(work: tiles.Work, batch: Tensor, tiling: tiles.Tiling) -> list[Tensor]:
        sizes.append(len(batch))
        return original(work, batch, tiling)

    monkeypatch.setattr(tiles, "denoise", spied)
    together = [found.images[0].pixels for found in answer_all(here, images)]
    assert sizes == [3 * (3 if channels == 1 else 1)]
    assert all(one == pytest.approx(other, abs=1e-5) for one, other in zip(together, alone, strict=True))
    told = answer(replace(here, options=replace(card.options, sigma=0.3)), flat[0]).images[0].pixels
    assert abs(told - alone[0]).max() > 1e-3


def test_one_that_is_not_finite_or_too_large_is_answered_alone() -> None:
    fake = Fake(bad=(torch.bfloat16,))
    found = answer_all(engine(fake, dtype=torch.bfloat16), [image(1), image(1)])
    assert all(one.images[0].pixels == pytest.approx(image(1).pixels / 2) for one in found)


def test_what_goes_together() -> None:
    here, one = engine(Fake()), image(1)
    assert go_together(here, one, image(1))
    assert not go_together(here, one, image(3)) and not go_together(here, one, image(1, 99))
    assert not go_together(replace(here, tile=64), one, image(1))
    assert not go_together(replace(here, asked=Asked(box=Box(0, 0, 9, 9))), one, image(1))


def test_8_bits_give_what_their_shares_give() -> None:
    samples = torch.randint(0, 256, (3, 20, 30), generator=torch.Generator().manual_seed(0), dtype=torch.uint8).numpy()
    eight, card = Image(samples, Source("x.png")), methods.find("median")
    (median,) = answer(Engine(card.make(card.config), card.options, torch.device("cpu"), torch.float32), eight).images
    shares = Image(eight.pixels, eight.source)
    (wanted,) = answer(Engine(card.make(card.config), card.options, torch.device("cpu"), torch.float32), shares).images
    assert (median.pixels == wanted.pixels).all() and median.pixels.dtype == "float32"


@pytest.mark.parametrize("takes", [None, 1, 3])
def test_channels_that_come_apart_are_gray_images(takes: int | None) -> None:
    fake, noisy = Fake(channels=takes), image(3)
    apart = engine(fake, apart=True)
    (clean,) = answer(apart, noisy).images
    assert clean.pixels == pytest.approx(noisy.pixels / 2) and fake.sizes == [(1, takes or 1, 100, 150)] * 3
    for one in answer_all(apart, [noisy, noisy]):
        assert one.images[0].pixels == pytest.approx(noisy.pixels / 2)
    (part,) = answer(replace(apart, asked=Asked(box=BOXES[0])), noisy).images
    assert part.pixels == pytest.approx(noisy.cut(BOXES[0]).pixels / 2)


def test_channels_that_come_apart_take_as_many_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converge, "_STILL", 0.02)
    options, denoiser = methods.find("dt").options, net("dt", width=4, blocks=1)
    apart = Engine(denoiser, options, CPU, torch.float32, asked=Asked(until_converged=True), apart=True)
    found = answer(apart, image(3))
    assert found.counts is not None
    (same,) = answer(Engine(denoiser, options, CPU, torch.float32, found.counts, apart=True), image(3)).images
    assert found.images[0].pixels == pytest.approx(same.pixels, abs=1e-6)

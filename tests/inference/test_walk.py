"""Nets walked down an image a few rows at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from denoise_cli import methods
from denoise_cli.image import Image, Source
from denoise_cli.inference import convolution_rules, tiles
from denoise_cli.inference.nodes import Unwalkable
from denoise_cli.inference.run import Engine, answer
from denoise_cli.inference.trace import Trace, trace
from denoise_cli.inference.walk import memory, schedule, walk
from denoise_cli.layers.local import locally
from denoise_cli.method import Denoiser
from denoise_cli.shapes import pad_to_multiple

Net = Callable[[Any], Any]
CPU = torch.device("cpu")


def noisy(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def traced(net: Net, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Trace:
    return trace(lambda image: [net(image)], shape, CPU, dtype)


def walked(net: Net, image: Tensor, rows: int, dtype: torch.dtype = torch.float32) -> Tensor:
    way = traced(net, tuple(image.shape), dtype)
    return torch.cat([bands[0] for _, bands in walk(way, rows, lambda first, end: image[..., first:end, :])], dim=-2)


def layer(kind: type[nn.Module], *sizes: Any, **named: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*sizes, **named).requires_grad_(False)


def _shifted_sum(image: Tensor) -> Tensor:
    padded = functional.pad(image, (2, 2, 2, 2))
    return padded[..., 4:, 2:-2] + padded[..., :-4, 4:]


def _mirrored(image: Any) -> Any:
    places = torch.arange(-3, image.shape[-2] + 3).abs()
    last = image.shape[-2] - 1
    rows = torch.where(places > last, 2 * last - places, places)
    return layer(nn.Conv2d, 3, 2, 3)(image[:, :, rows])[..., 2:-2, 1:]


def _residual(image: Any, last: Callable[[Any], Any] = torch.relu, side: int = 3) -> Any:
    state = layer(nn.Conv2d, image.shape[1], 4, 3, padding=1)(image)
    for _ in range(2):
        inner = layer(nn.Conv2d, 4, 4, 3, padding=1)(state).relu_()
        state = last(layer(nn.Conv2d, 4, 4, side, padding=side // 2)(inner) + state)
    return state


NETS: dict[str, Net] = {
    "sums": lambda image: _residual(image, lambda state: state),
    "sums and their ReLU": _residual,
    "sums of single pixels": lambda image: _residual(image, side=1),
    "sums of wide windows": lambda image: _residual(image, side=5),
    "an image and its own convolution": lambda image: image + layer(nn.Conv2d, 3, 3, 3, padding=1)(image),
    "a convolution and one of it": lambda image: _residual(image) + layer(nn.Conv2d, 3, 4, 3, padding=1)(image),
    "a convolution of a single channel": lambda image: (
        layer(nn.Conv2d, 1, 3, 3, padding=1)(image[:, :1]) + image
    ).relu(),
    "a convolution with holes": layer(nn.Conv2d, 3, 4, 3, dilation=4, padding=4),
    "an even kernel without padding": layer(nn.Conv2d, 3, 4, (4, 3)),
    "strides": nn.Sequential(
        layer(nn.Conv2d, 3, 4, 5, stride=2, padding=2), layer(nn.Conv2d, 4, 4, 3, stride=2, padding=1)
    ),
    "strides back": nn.Sequential(
        layer(nn.Conv2d, 3, 4, 5, stride=2, padding=2),
        layer(nn.ConvTranspose2d, 4, 3, 5, stride=2, padding=2, output_padding=1),
        layer(nn.ConvTranspose2d, 3, 2, 4, stride=2, padding=1),
    ),
    "pools and shuffles": nn.Sequential(
        nn.AvgPool2d(2), layer(nn.Conv2d, 3, 8, 3, padding=1), nn.PixelShuffle(2), nn.PixelUnshuffle(4)
    ),
    "a local function": lambda image: locally(_shifted_sum, 2, image * 2) - image,
    "mirrored rows": _mirrored,
    "what lies beside": lambda image: image.mean(dim=1, keepdim=True) + torch.arange(24.0)[:, None],
    "in place": lambda image: functional.relu(image - 0.5).add_(image).relu_() + image,
}


@pytest.mark.parametrize("rows", [1, 3, 8, 24])
@pytest.mark.parametrize("name", NETS)
def test_rows_joined_are_the_whole(name: str, rows: int) -> None:
    image = noisy(2, 3, 24, 20)
    whole = NETS[name](image.clone())
    torch.testing.assert_close(walked(NETS[name], image, rows), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ["sums", "sums and their ReLU", "sums of wide windows"])
def test_sums_on_the_way_are_those_of_the_whole(name: str, layout: torch.memory_format, dtype: torch.dtype) -> None:
    """Of one image, rows are made below those that are kept; in half precision a sum is rounded once, not twice."""
    image = noisy(1, 3, 90, 20).contiguous(memory_format=layout)
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        whole = NETS[name](image)
    for rows in (4, 40):
        found = walked(NETS[name], image, rows, dtype)
        assert found.dtype == whole.dtype == dtype
        torch.testing.assert_close(found, whole, atol=1e-5 if dtype == torch.float32 else 0.02, rtol=0)


def test_sums_where_nothing_makes_them_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution_rules, "_fuses", lambda dtype: False)
    image = noisy(1, 3, 90, 20)
    for rows in (4, 40):
        torch.testing.assert_close(walked(_residual, image, rows), _residual(image), atol=1e-5, rtol=0)


def test_a_convolution_its_sum_and_its_relu_are_one() -> None:
    way = traced(_residual, (1, 3, 24, 20))
    assert len(way.nodes) == 1 + 1 + 2 * 2  # the image, the first convolution, and two for each block
    bands = list(schedule(way, 4))
    assert sum(piece.end - piece.first for pieces in bands for piece in pieces) == 5 * 24


def test_what_is_made_of_images_alone_is_made_once() -> None:
    def net(image: Any) -> Any:
        parts = [functional.pixel_shuffle(functional.pixel_unshuffle(image, 2).mul(2.0), 2) for _ in range(3)]
        weight = torch.ones((1, 3, 1, 1))
        return parts[0] + parts[1] * weight + parts[2] * (2 * weight)

    image = noisy(1, 3, 24, 20)
    way = traced(net, tuple(image.shape))
    assert len(way.nodes) == 1 + 3 + 2 + 2  # of the image, in common; what is multiplied with; sums
    torch.testing.assert_close(walked(net, image, 5), net(image))


def test_constants_that_python_takes_for_equal_are_told_apart() -> None:
    net: Net = lambda image: (image > 0.5) * 2 + (image > 0.5) * 2.0 + (image > 0.5) * True  # noqa: E731
    image = noisy(1, 3, 24, 20)
    made = [node.dtype for node in traced(net, (1, 3, 24, 20)).nodes[1:]]
    assert made == [torch.bool, torch.int64, torch.float32, torch.float32, torch.bool, torch.float32]
    torch.testing.assert_close(walked(net, image, 5), net(image))


@pytest.mark.parametrize("size", [(2, 60), (60, 2), (2, 2), (1, 9)])
def test_thin_images_of_a_net_that_thinks_at_half_the_size(size: tuple[int, int]) -> None:
    card = methods.find("ffdnet")
    net = card.make(replace(card.config, depth=3, features=4))
    assert isinstance(net, Denoiser)
    engine = Engine(net, replace(card.options, sigma=25.0), torch.device("cpu"), torch.float32)
    pixels = torch.rand((3, *size), generator=torch.Generator().manual_seed(0))
    (found,) = answer(engine, Image(pixels.numpy(), Source("x.png"))).images
    padded = pad_to_multiple(pixels[None], net.stride)
    whole = net.denoise(padded, net.settle(padded, engine.options))[0, :, : size[0], : size[1]]
    assert torch.allclose(torch.from_numpy(found.pixels), whole, atol=1e-5)


def test_the_image_stays_as_it_was() -> None:
    image = noisy(1, 3, 24, 20)
    before = image.clone()
    walked(lambda traced: (traced.relu() - 1).relu_(), image, 5)
    walked(lambda traced: traced.relu_() * 2, image, 5)
    assert torch.equal(image, before)


def test_precision_of_the_convolutions() -> None:
    net, image = layer(nn.Conv2d, 3, 4, 3, padding=1), noisy(1, 3, 24, 20)
    rows = walked(net, image, 4, torch.bfloat16)
    assert rows.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(rows, net(image), atol=0.01, rtol=0.01)


def test_several_outputs_come_together() -> None:
    first, second = (layer(nn.Conv2d, 3, 3, size, padding=size // 2) for size in (3, 5))
    image = noisy(1, 3, 24, 20)
    way = trace(lambda rows: [first(rows), second(first(rows))], image.shape, CPU, torch.float32)
    bands = list(walk(way, 4, lambda begin, end: image[..., begin:end, :]))
    for index, whole in enumerate((first(image), second(first(image)))):
        torch.testing.assert_close(torch.cat([parts[index] for _, parts in bands], dim=-2), whole)
    assert [begin for begin, _ in bands][:3] == [0, bands[0][1][0].shape[-2], sum(b[0].shape[-2] for _, b in bands[:2])]


@pytest.mark.parametrize(
    "net",
    [
        lambda image: image - image.mean(),
        lambda image: image.flip(2),
        lambda image: image.sum(dim=2, keepdim=True),
        lambda image: functional.interpolate(image, scale_factor=2),
        lambda image: torch.cat((image, image), dim=2),
        lambda image: image[:, :, ::2],
        lambda image: image + functional.avg_pool2d(image, 2),
        lambda image: image,
        lambda image: image if image.is_cuda else image * 2,
        lambda image: image * 2 if (image > 0).any() else image,
        lambda image: image if image[:, :, :1] > 0 else image * 2,
        lambda image: image * float(image[:, :1]),
        lambda image: image @ torch.ones(20, 20),
        lambda image: image // 2,
        lambda image: functional.avg_pool2d(image, 2, ceil_mode=True),
        lambda image: torch.zeros(1, 3, 24, 20),
    ],
)
def test_what_is_not_known_to_look_at_few_rows_is_refused(net: Net) -> None:
    with pytest.raises(Unwalkable):
        traced(net, (1, 3, 24, 20))


class Broken:
    """A denoiser that comes upon ``error`` while it is traced."""

    channels, stride = 3, 1

    def __init__(self, error: Exception) -> None:
        self._error = error

    def settle(self, noisy: Tensor, options: Any) -> Any:
        return options

    def reach(self, options: Any) -> int:
        return 1

    def denoise(self, noisy: Any, options: Any) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [TypeError("a bug"), AttributeError("a bug"), NotImplementedError("a bug")])
def test_a_bug_is_seen_and_not_taken_for_what_cannot_be_walked(error: Exception) -> None:
    with pytest.raises(type(error), match="a bug"):
        tiles.walks(tiles.Work(Broken(error), None))
    assert not tiles.walks(tiles.Work(Broken(Unwalkable("as it should be")), None))


def test_memory_does_not_grow_with_the_height() -> None:
    net = nn.Sequential(*(layer(nn.Conv2d, 3, 3, 3, padding=1) for _ in range(5)))
    low, high = (memory(traced(net, (1, 3, height, 100)), 4) for height in (100, 1000))
    assert low == high < memory(traced(net, (1, 3, 100, 200)), 4)
    assert high < 4 * 3 * 100 * (5 * 2 + 4 * 4)  # two rows of each layer, and those at work


def test_nothing_is_made_before_it_is_needed() -> None:
    net = nn.Sequential(*(layer(nn.Conv2d, 3, 3, 3, padding=1) for _ in range(5)))
    steps = list(schedule(traced(net, (1, 3, 40, 8)), 4))
    assert max(piece.end - piece.first for pieces in steps for piece in pieces) == 4
    assert sum(piece.end - piece.first for pieces in steps for piece in pieces) == 5 * 40


def test_what_nobody_asks_for_is_not_made() -> None:
    def net(image: Any) -> Any:
        layer(nn.Conv2d, 3, 3, 3)(image)
        return image * 2

    assert traced(net, (1, 3, 24, 20)).macs == 0
    assert traced(layer(nn.Conv2d, 3, 4, 3, padding=1), (1, 3, 24, 20)).macs == 24 * 20 * 3 * 4 * 9

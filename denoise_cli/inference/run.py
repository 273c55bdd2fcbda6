"""An image in, its estimates out: channels, precision, tiles and checks around one denoiser."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli.device import give_back_memory, is_out_of_memory, memory
from denoise_cli.errors import DeviceError, WeightsError
from denoise_cli.image import Box, Image
from denoise_cli.inference import tiles
from denoise_cli.inference.converge import DIRECT, converge, samples
from denoise_cli.inference.patterns import MARGIN, Grain, keep_patterns
from denoise_cli.inference.sigma_map import Told, check_size
from denoise_cli.inference.told import told
from denoise_cli.layers.turns import TURNS, turn, turn_back, turn_box
from denoise_cli.method import Denoiser, Iterative, Mapped, Unending, Wrapper
from denoise_cli.shapes import from_channels, stacked, to_channels, to_unit

_LARGE = 1 << 22  # pixels of an image whose decoding leaves much memory behind
_APART = 0.1  # from mean and median of the noisy image, where one value everywhere is no picture of it
_SPARSE = 64  # pixels between those that are looked at first
SMALL = 1 << 14  # pixels of an image that is denoised together with others
_FEW = 64  # pixels of an image, below which one value may well be all there is


@dataclass(frozen=True)
class Asked:
    """What the user asked for besides the model and its knobs."""

    until_converged: bool = False  # iterate, in an ``Unending``, until nothing changes
    box: Box | None = None  # the part that is wanted; None: all
    every_turn: bool = False  # average over the eight ways to turn the image
    sigma_map: Tensor | None = None  # the noise level at every pixel of each image, or of all, for a ``Mapped``


@dataclass(frozen=True)
class Answer:
    """What came out of one image."""

    images: list[Image]
    counts: tuple[int, ...] | None  # iterations behind each; None where it does not iterate, or stops by itself


@dataclass(frozen=True)
class Engine:
    """A denoiser on its device, with what the user asked of it."""

    denoiser: Denoiser
    options: Any
    device: torch.device
    dtype: torch.dtype  # of the convolutions
    counts: tuple[int, ...] | None = None  # iterations to save, ascending; None: one estimate by the options
    tile: int | None = None  # side of the tiles; None: by the image's size
    asked: Asked = Asked()
    most_memory: int | None = None  # bytes that the process may take; None: what there is
    notice: Callable[[str], None] = lambda _: None  # is told what the user should know meanwhile
    first: "Engine | None" = None  # denoises the image before, of other noise; its last estimate is taken
    apart: bool = False  # each channel is denoised by itself, as a gray image
    measured: bool = False  # the noise levels of the options were seen in the pixels; else they are the user's


def ready(engine: Engine) -> Engine:
    """The engine with its net on the device, in the memory format that is fastest there."""
    net = engine.denoiser.net if isinstance(engine.denoiser, Wrapper) else engine.denoiser
    if isinstance(net, nn.Module):
        net.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return engine


def answer(engine: Engine, image: Image, grain: Grain | None = None) -> Answer:
    """The estimates of one image or of the part that was asked for, with its metadata.

    Where the noise was measured, as ``grain``, what cannot have been noise stays; see ``patterns``.

    A result with values that are not finite, or all the same, is computed again in float32; out of memory halves the
    tiles and tries again. Raises ``DeviceError`` where even small tiles do not fit, ``WeightsError`` where float32 is
    no better, and ``InputError`` where a map of noise levels has another size, or the part leaves the image.
    """
    asked = engine.asked
    if grain is not None:
        if asked.box is not None:
            return _part_with_patterns(engine, image, asked.box, grain)
        return with_patterns(answer(engine, image), image, grain)
    if engine.first is not None:
        image = answer(engine.first, image).images[-1]
    if asked.sigma_map is not None:
        check_size(asked.sigma_map, image)
        engine = replace(engine, asked=replace(asked, sigma_map=asked.sigma_map / image.source.scale))
    noisy = _on_device(engine, [image])
    return _settled_answer(engine, image, noisy, _settle(engine, noisy, image))


def _settle(engine: Engine, noisy: Tensor, image: Image) -> Any:
    """The options of ``engine`` with what they leave to be measured, for the ``image`` on its device (1, C, H, W)."""
    options = engine.options if engine.measured else told(engine.options, image.source)
    denoiser = engine.denoiser if engine.asked.sigma_map is None else Told.by(engine.denoiser)
    return denoiser.settle(to_unit(stacked(noisy) if engine.apart else noisy), options)


def _mapped(engine: Engine, noisy: Tensor, settled: Sequence[Any]) -> tuple[Engine, Any]:
    """An engine and options for all of ``noisy`` (N, C, H, W): where these are small, with a map of their noise levels.

    So images of different levels go together, by one trace of the net; and alone they are treated as together. Others
    are left to the ``engine`` and the first of their N ``settled`` options.
    """
    denoiser, asked = engine.denoiser, engine.asked
    small = noisy[0, 0].numel() <= SMALL and not engine.apart and asked.sigma_map is None
    if not small or not isinstance(denoiser, Mapped):
        return engine, settled[0]
    images = (to_unit(to_channels(image[None], denoiser.channels)) for image in noisy)
    maps = torch.cat([denoiser.levels(*pair) for pair in zip(images, settled, strict=True)])
    return replace(engine, asked=replace(asked, sigma_map=maps)), engine.options


def with_patterns(found: Answer, image: Image, grain: Grain | None) -> Answer:
    """What was ``found`` of the whole ``image``, with its patterns; the same where no ``grain`` was measured."""
    if grain is None:
        return found
    return replace(found, images=[keep_patterns(image, estimate, grain) for estimate in found.images])


def _part_with_patterns(engine: Engine, image: Image, box: Box, grain: Grain) -> Answer:
    """The ``answer`` for the part in ``box``, with the patterns as they are in the whole."""
    left, top = max(0, box.left - MARGIN), max(0, box.top - MARGIN)
    right, bottom = box.left + box.width + MARGIN, box.top + box.height + MARGIN
    wide = Box(left, top, min(image.width, right) - left, min(image.height, bottom) - top)
    found = answer(replace(engine, asked=replace(engine.asked, box=wide)), image)
    part = Box(box.left - left, box.top - top, box.width, box.height)
    found = with_patterns(found, image.cut(wide), grain)
    return replace(found, images=[estimate.cut(part) for estimate in found.images])


def _settled_answer(engine: Engine, image: Image, noisy: Tensor, options: Any) -> Answer:
    """The ``answer`` for the image ``noisy`` (1, C, H, W), where the options are settled."""
    engine, options = _mapped(engine, noisy, [options])
    asked = engine.asked
    source = image if asked.box is None else image.cut(asked.box)
    if image.height * image.width > _LARGE:
        give_back_memory()  # that of decoding it, and of looking at it
    try:
        estimates, counts = _within_memory(engine, noisy, options)
    except ArithmeticError:
        try:
            estimates, counts = _within_memory(replace(engine, dtype=torch.float32), noisy, options)
        except ArithmeticError as error:
            raise WeightsError(
                f"{image.source.name}: {error}, in float32 either.",
                "The weights do not suit this image: choose others with --model.",
            ) from error
    if image.height * image.width > _LARGE:
        give_back_memory()  # that of the rows on the way
    return _answers(engine, [source], estimates, counts)[0]


def go_together(engine: Engine, one: Image, other: Image) -> bool:
    """Whether ``answer_all`` may do both images at once."""
    asked = engine.asked
    alone = asked.until_converged or asked.sigma_map is not None or asked.box is not None
    if alone or engine.tile is not None or engine.most_memory is not None or engine.first is not None:
        return False
    return one.samples.shape == other.samples.shape and one.samples.dtype == other.samples.dtype


def answer_all(engine: Engine, images: Sequence[Image]) -> list[Answer]:
    """The same as the ``answer`` to each image, of which any two ``go_together``: those of a few pixels cost less so.

    Raises as ``answer`` does, without telling of which image.
    """
    if len(images) > 1:
        noisy = _on_device(engine, images)
        settled = [_settle(engine, noisy[index : index + 1], image) for index, image in enumerate(images)]
        together, common = _mapped(engine, noisy, settled)
        if together is not engine or all(options == settled[0] for options in settled):
            try:
                return _answers(engine, images, *_denoise(together, noisy, common))
            except Exception as error:
                if not (isinstance(error, ArithmeticError) or is_out_of_memory(error)):
                    raise
        return [
            _settled_answer(engine, image, noisy[index : index + 1], options)
            for index, (image, options) in enumerate(zip(images, settled, strict=True))
        ]
    return [answer(engine, image) for image in images]


def _on_device(engine: Engine, images: Sequence[Image]) -> Tensor:
    """(N, C, H, W), uint8 or float32."""
    samples = [torch.from_numpy(image.samples) for image in images]
    return (samples[0][None] if len(samples) == 1 else torch.stack(samples)).to(engine.device)


def _answers(
    engine: Engine, images: Sequence[Image], estimates: list[Tensor], counts: tuple[int, ...] | None
) -> list[Answer]:
    stops = getattr(engine.options, "stop", "none") != "none"  # by itself, so that nobody knows after how many
    if counts is None and isinstance(engine.denoiser, Iterative) and not stops:
        counts = (engine.options.iters,)
    arrays = [estimate.float().cpu().numpy() for estimate in estimates]
    return [Answer([image.with_pixels(array[index]) for array in arrays], counts) for index, image in enumerate(images)]


def _within_memory(engine: Engine, noisy: Tensor, options: Any) -> tuple[list[Tensor], tuple[int, ...] | None]:
    try:
        return _denoise(engine, noisy, options)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        smaller = (engine.tile or max(noisy.shape[-2:])) // 2
        if smaller < tiles.SMALLEST or engine.denoiser.reach(engine.options) is None:
            raise DeviceError(
                f"Out of memory on {engine.device}, for an image of {noisy.shape[-1]}x{noisy.shape[-2]} pixels.",
                "Close other programs, use --device cpu, or fewer --iters.",
            ) from error
    engine.notice(f"out of memory on {engine.device}: trying again in tiles of {smaller} pixels")
    return _within_memory(replace(engine, tile=smaller), noisy, options)


def _denoise(engine: Engine, noisy: Tensor, options: Any) -> tuple[list[Tensor], tuple[int, ...] | None]:
    if engine.apart:
        return _channel_by_channel(replace(engine, apart=False), noisy, options)
    denoiser, asked = engine.denoiser, engine.asked
    taken = to_channels(noisy, denoiser.channels)
    if asked.sigma_map is not None:
        denoiser = Told.by(denoiser)
        taken = denoiser.join(to_unit(taken), asked.sigma_map)
    with torch.inference_mode():
        estimates, counts = _answer(engine, denoiser, taken, options)
    if isinstance(denoiser, Told):
        estimates = [denoiser.part(estimate)[0] for estimate in estimates]
    box = asked.box
    like = noisy if box is None else noisy[..., box.top :, box.left :][..., : box.height, : box.width]
    found = [from_channels(estimate, like) for estimate in estimates]
    if any(_is_blank(*pair) for estimate in found for pair in zip(estimate, like, strict=True)):
        raise ArithmeticError("the result is one value everywhere")
    return found, counts


def _channel_by_channel(engine: Engine, noisy: Tensor, options: Any) -> tuple[list[Tensor], tuple[int, ...] | None]:
    """As ``_denoise``; where it iterates until nothing changes, as often for all channels as for the first."""
    parts: list[list[Tensor]] = []
    for channel in torch.split(noisy, 1, dim=1):
        estimates, counts = _denoise(engine, channel, options)
        parts.append(estimates)
        if engine.asked.until_converged:
            engine = replace(engine, counts=counts, asked=replace(engine.asked, until_converged=False))
    return [torch.cat(channels, dim=1) for channels in zip(*parts, strict=True)], counts


def _is_blank(estimate: Tensor, noisy: Tensor) -> bool:
    """Whether an estimate (C, H, W) has one value everywhere, which a flat image with noise on it may, but not this."""
    few = estimate[:, ::_SPARSE, ::_SPARSE]
    if noisy[0].numel() < _FEW or (few != few[:, :1, :1]).any() or (estimate != estimate[:, :1, :1]).any():
        return False
    value, seen = estimate[:, 0, 0], to_unit(noisy).flatten(1)
    apart = torch.minimum((seen.mean(dim=1) - value).abs(), (seen.median(dim=1).values - value).abs())
    return bool((apart > _APART).any())


def _answer(
    engine: Engine, denoiser: Denoiser, image: Tensor, options: Any
) -> tuple[list[Tensor], tuple[int, ...] | None]:
    """The estimates of an image (N, C, H, W) or of its part, and the iterations behind each, where it has any."""
    asked, counts = engine.asked, engine.counts
    height, width = image.shape[-2:]
    if asked.until_converged:
        assert isinstance(denoiser, Unending)
        small = height * width <= DIRECT and engine.tile is None
        with torch.autocast(engine.device.type, engine.dtype, enabled=engine.dtype != torch.float32):
            count, estimate = converge(denoiser, to_unit(image if small else samples(image, denoiser.stride)), options)
        counts = (count,)
        if small and asked.box is None and not asked.every_turn:
            return [estimate], counts
    sums: list[Tensor] = []
    ways = TURNS if asked.every_turn else TURNS[:1]
    for way in ways:
        box = None if asked.box is None else turn_box(asked.box, height, width, way)
        found = [turn_back(part, way) for part in _part(engine, denoiser, turn(image, way), options, counts, box)]
        sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
    return [total / len(ways) for total in sums] if len(ways) > 1 else sums, counts


def _part(
    engine: Engine, denoiser: Denoiser, image: Tensor, options: Any, counts: tuple[int, ...] | None, box: Box | None
) -> list[Tensor]:
    """The estimates within ``box``, the same as those of the whole image, at the cost of the box and its margin."""
    own = box is None and options is not engine.options
    work = tiles.Work(denoiser, options, counts, engine.dtype, own)
    reach, left, top = work.reach, 0, 0
    if box is not None and reach is not None:
        left, top = (max(0, start - reach) // denoiser.stride * denoiser.stride for start in box[:2])
        image = image[..., top : box.top + box.height + reach, left : box.left + box.width + reach]
    height, width = image.shape[-2:]
    estimates = tiles.denoise(work, image, tiling_of(engine, work, height, width))
    if box is None:
        return estimates
    rows = slice(box.top - top, box.top - top + box.height)
    columns = slice(box.left - left, box.left - left + box.width)
    return [estimate[..., rows, columns] for estimate in estimates]


def tiling_of(engine: Engine, work: tiles.Work, height: int, width: int) -> tiles.Tiling:
    """How an image of ``height`` x ``width``, which is in memory already, is cut by ``engine``."""
    free = None
    if engine.most_memory is not None:
        estimates = 4 * (work.denoiser.channels or 3) * height * width * len(work.counts or (0,))
        free = engine.most_memory - (memory() or 0) - estimates
    return tiles.plan(height, width, work, engine.tile, engine.device, free)

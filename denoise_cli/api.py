"""``denoise_cli.denoise``: one image in, one image out, as the command line does it."""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from operator import index
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeVar, overload
from warnings import warn

from numpy.typing import NDArray
from PIL.Image import Image as PillowImage

from denoise_cli import device as devices
from denoise_cli.errors import UsageError
from denoise_cli.fields import fill
from denoise_cli.image import Box, Image, from_array, from_pillow, read, to_array, to_pillow
from denoise_cli.inference.looks import blend
from denoise_cli.inference.run import Asked, answer
from denoise_cli.inference.sigma_map import sigma_map_of
from denoise_cli.inference.workbench import Wish, Workbench

Array = NDArray[Any]
Picture = TypeVar("Picture", Array, PillowImage)
_KEPT = 8  # nets that stay loaded
_LEAST_TILE = 16  # pixels, as on the command line


@overload
def denoise(
    image: Picture,
    model: str | None = None,
    *,
    iters: int | Literal["auto"] | None = None,
    sigma: float | None = None,
    sigma_map: Array | PillowImage | str | PathLike[str] | None = None,
    strength: float = 1.0,
    crop: Sequence[int] | None = None,
    tta: bool = False,
    weights: str | PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
) -> Picture: ...


@overload
def denoise(
    image: str | PathLike[str],
    model: str | None = None,
    *,
    iters: int | Literal["auto"] | None = None,
    sigma: float | None = None,
    sigma_map: Array | PillowImage | str | PathLike[str] | None = None,
    strength: float = 1.0,
    crop: Sequence[int] | None = None,
    tta: bool = False,
    weights: str | PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
) -> Array: ...


def denoise(
    image: Array | PillowImage | str | PathLike[str],
    model: str | None = None,
    *,
    iters: int | Literal["auto"] | None = None,
    sigma: float | None = None,
    sigma_map: Array | PillowImage | str | PathLike[str] | None = None,
    strength: float = 1.0,
    crop: Sequence[int] | None = None,
    tta: bool = False,
    weights: str | PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
) -> Array | PillowImage:
    """The denoised ``image``, in the type and depth that it came in; of a path, the array of its first frame.

    Arrays are (H, W) or (H, W, C), C of 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha, of uint8, uint16 or floating
    point in [0, 1]. Alpha is kept as it is.

    ``model`` is a method (``"dt"``) or weights (``"dt.sp"``); without it the noise of the image decides. ``iters``
    are the iterations of a recurrent model, ``"auto"`` until nothing changes. ``sigma`` is the noise level (up to 1 on
    [0, 1], above on 0..255) and ``sigma_map`` an image of levels, for models that take one. ``strength`` blends the
    noisy image (0) with the estimate (1). ``crop`` is (x, y, width, height) of the part that is wanted. ``tta``
    averages over all turns and mirrorings. ``weights`` is a file of your own, ``options`` any other knobs of the model,
    such as ``{"window": 5}``. ``device``, ``precision`` and ``tile`` are as on the command line.

    A net is loaded once and kept for the next calls. Warns where none of the weights of ``model`` learned such noise.
    Raises the errors of ``denoise_cli.errors``: ``UsageError`` for a value that cannot be, ``InputError`` for an image
    that cannot, ``WeightsError``, ``DeviceError``.
    """
    share = _number(strength, "strength", "between 0 (the noisy image) and 1 (the estimate)")
    if not 0 <= share <= 1:
        raise UsageError(f"{strength!r} is no strength.", "It is between 0 (the noisy image) and 1 (the estimate).")
    if sigma is not None and sigma_map is not None:
        raise UsageError("sigma and sigma_map both name the noise level.", "Leave one of them out.")
    box = None if crop is None else _box(crop)
    counts = None if iters is None or iters == "auto" else _whole(iters, 1, "number of iterations", "or 'auto'")
    side = None if tile is None else _whole(tile, _LEAST_TILE, "side of a tile", "in pixels")
    noisy = _taken(image)
    levels = None if sigma_map is None else sigma_map_of(_taken(sigma_map))
    asked = Asked(iters == "auto", box, tta, levels)
    for name, value in (options or {}).items():
        if not isinstance(value, Hashable):
            raise UsageError(f"The option {name} cannot be {value!r}.", "It is a number, a word or None.")
    level = None if sigma is None else _number(sigma, "noise level", "up to 1 on [0, 1], above on 0..255")
    knobs = dict(options or {}) | ({} if level is None else {"sigma": level})
    file = None if weights is None else fspath(weights)
    made = _bench if levels is None else _bench.__wrapped__  # a map is not worth being kept
    bench = made(model, file, _version(file), counts, device, precision, side, asked, tuple(sorted(knobs.items())))
    choice = bench.choose(noisy).told()
    if choice.warning:
        warn(choice.warning, stacklevel=2)
    (estimate,) = answer(choice.engine, noisy, choice.grain).images
    clean = blend(noisy if asked.box is None else noisy.cut(asked.box), estimate, share)
    if isinstance(image, PillowImage):
        result = to_pillow(clean)
        dropped = {"icc_profile"} if image.mode == "CMYK" else {"transparency"} if "A" in result.getbands() else set()
        result.info = {name: value for name, value in image.info.items() if name not in dropped}
        return result
    if isinstance(image, str | PathLike):
        return to_array(clean)
    return to_array(clean).reshape(*clean.samples.shape[1:], *image.shape[2:]).astype(image.dtype, copy=False)


def _whole(value: Any, least: int, what: str, more: str) -> int:
    """``value`` as a whole number of any kind; raises ``UsageError`` where it is none, or below ``least``."""
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise UsageError(f"{value!r} is no {what}.", f"It is whole and at least {least}, {more}.")
    return number


def _number(value: Any, what: str, more: str) -> float:
    """``value`` as a number; raises ``UsageError`` where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{value!r} is no {what}.", f"It is a number, {more}.") from None


def _box(crop: Sequence[int]) -> Box:
    try:
        left, top, width, height = map(index, crop)
    except (TypeError, ValueError):
        raise UsageError(f"{crop!r} is no part of an image.", "It is (x, y, width, height), whole numbers.") from None
    return Box(left, top, width, height)


def _version(file: str | None) -> tuple[int, int] | None:
    """What tells the file of today from that of yesterday; None where there is none."""
    try:
        found = None if file is None else Path(file).stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size)


@lru_cache(_KEPT)
def _bench(
    model: str | None,
    file: str | None,
    version: tuple[int, int] | None,
    count: int | None,
    device: str,
    precision: str,
    tile: int | None,
    asked: Asked,
    knobs: tuple[tuple[str, Any], ...],
) -> Workbench:
    where = devices.pick(device)
    devices.keep_memory()
    wish = Wish(
        model,
        None if file is None else Path(file),
        None if count is None else (count,),
        where,
        devices.precision(precision, where),
        tile,
        asked,
    )
    return Workbench(wish, lambda card: fill(card.options, dict(knobs), card.name))


def _taken(image: Array | PillowImage | str | PathLike[str]) -> Image:
    if isinstance(image, str | PathLike):
        return read(fspath(image))
    return from_pillow(image) if isinstance(image, PillowImage) else from_array(image)

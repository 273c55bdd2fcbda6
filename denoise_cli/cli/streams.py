"""Images and lists of images in through stdin, an image out through stdout."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from denoise_cli.errors import InputError, OutputError, UsageError

if TYPE_CHECKING:
    from denoise_cli.image import Image
    from denoise_cli.inference.inputs import Item


def goes_to_stdout(items: Sequence["Item"], output: str | None, pictures: int, as_json: bool) -> bool:
    """Whether the result of ``items``, so many ``pictures`` of each, is for stdout: asked for, or that of stdin alone.

    Raises ``UsageError`` where stdout cannot take it, and where the result of stdin has no other place.
    """
    from denoise_cli.inference.inputs import STREAM

    if output == STREAM or (output is None and [item.path for item in items] == [None]):
        _check_stdout(len(items) * pictures, as_json)
        return True
    if output is None and any(item.path is None for item in items):
        raise UsageError("Where does the result of stdin go?", "Name a folder with -o.")
    return False


def read_stdin(command: str) -> bytes:
    """All of stdin, in the main thread, where Ctrl-C can stop the waiting; ``command`` is an example of its use.

    Raises ``UsageError`` where nothing is piped in, ``InputError`` where that is empty.
    """
    advice = f"Pipe an image into it: cat noisy.png | {command}"
    if sys.stdin.isatty():
        raise UsageError("stdin is the terminal, not an image.", advice)
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("stdin is empty.", advice)
    return data


def read_image(item: "Item", max_pixels: int | None, command: str) -> "Image":
    """The image in a file or in stdin; ``command`` is an example of the latter. Raises ``InputError``."""
    from denoise_cli.image import MAX_PIXELS, decode, read

    limit = MAX_PIXELS if max_pixels is None else max_pixels
    return decode(read_stdin(command), "-", limit) if item.path is None else read(item.path, limit)


def read_names(files_from: str) -> list[str]:
    """The paths in the list ``files_from``, or in stdin."""
    from denoise_cli.inference.inputs import STREAM, parse_list, read_list

    return parse_list(sys.stdin.buffer.read(), "stdin") if files_from == STREAM else read_list(Path(files_from))


def write_stdout(frames: Sequence["Image"], format: str | None) -> None:
    """Write one image file of ``frames`` to stdout. Raises ``OutputError``."""
    from denoise_cli.image import encode_frames

    try:
        sys.stdout.buffer.write(encode_frames(frames, format))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"stdout cannot be written to: {error.strerror}.", "Write to a file with -o.") from error


def _check_stdout(images: int, as_json: bool) -> None:
    if images > 1:
        raise UsageError("stdout takes a single image.", "Give a folder with -o, or ask for one picture of one input.")
    if as_json:
        raise UsageError("--json and the image would share stdout.", "Write the image to a file with -o.")
    if sys.stdout.isatty():
        raise UsageError("An image would be written to the terminal.", "Send stdout to a file or a pipe, or use -o.")

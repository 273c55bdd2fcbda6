"""``denoise inspect``: what noise an image has."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import flags, outcomes, screen, streams
from denoise_cli.cli.load_torch import load_torch
from denoise_cli.errors import DenoiseError

if TYPE_CHECKING:
    from denoise_cli.image import Image
    from denoise_cli.inference.choose import Look

_TITLES = ("image", "sigma", "impulses", "clipped", "noise", "suggestion")
_NUMBERS = (1, 2, 3)  # columns


def inspect(
    inputs: Annotated[
        list[str], typer.Argument(help="Images, folders, globs, @list.txt, or - for stdin.", show_default=False)
    ],
    max_pixels: flags.MaxPixels = None,
    as_json: flags.Json = False,
    quiet: flags.Quiet = False,
) -> None:
    """Say what noise images have, and which command removes it. Nothing is changed or written.

    Examples:

    `denoise inspect photo.png`

    `denoise inspect photos/ --json`

    Sigma is the standard deviation of the noise on the scale 0..255, over the whole image, as it was before clipping.
    Where it grows with the light, its part by photons (at white) and its part everywhere are named as well. The share
    of impulses, salt and pepper, is that of the pixels, or of those of each channel where channels are struck by
    themselves, which is said. Noise that is correlated from pixel to pixel, as that of most camera JPEGs, is not white.
    A texture without a flat patch reads as noise.
    """
    load_torch()
    from denoise_cli import shelf
    from denoise_cli.inference.choose import look
    from denoise_cli.inference.inputs import gather
    from denoise_cli.inference.suggest import suggest

    items = gather(inputs).items
    entries = shelf.entries()
    lines, failures = [], outcomes.Failures(len(items), "read")
    with screen.progress("inspecting", len(items)) as bar:
        for item in items:
            try:
                image = streams.read_image(item, max_pixels, "denoise inspect -")
            except DenoiseError as error:
                failures.add(error)
                if as_json:
                    screen.emit(json.dumps({"input": item.name, "error": str(error)}))
                bar.advance()
                continue
            for warning in image.source.warnings:
                bar.say(warning)
            seen = look(image)
            command = suggest(seen, item.name, image.channels, entries)
            seen = seen.on(image.source)
            if as_json:
                screen.emit(json.dumps(_record(item.name, image, seen, command)))
            lines.append(_line(item.name, seen, command))
            bar.advance()
    if lines and not as_json:
        screen.table([_TITLES, *lines], _NUMBERS)
    failures.conclude()


def _record(name: str, image: "Image", seen: "Look", command: str | None) -> dict[str, Any]:
    return {
        "input": name,
        "width": image.width,
        "height": image.height,
        "channels": image.channels,
        "sigma": round(255 * seen.sigma, 3),
        "shot": round(255 * seen.shot, 3),
        "read": round(255 * seen.read, 3),
        "white": seen.white,
        "impulse_share": round(seen.impulse_share, 5),
        "impulses_apart": seen.apart,
        "clipped_share": round(seen.clipped_share, 5),
        "jpeg_blocks": seen.jpeg_blocks,
        "jpeg_quality": None if seen.jpeg_quality is None else round(seen.jpeg_quality),
        "suggestion": command,
        "error": None,
    }


def _line(name: str, seen: "Look", command: str | None) -> tuple[str, ...]:
    kind = ["white" if seen.white else "not white"]
    if seen.shot > 0:
        kind = [f"shot {255 * seen.shot:.1f}, read {255 * seen.read:.1f}"]
    if seen.apart:
        kind.append("impulses by channel")
    if seen.jpeg_blocks:
        kind.append("JPEG blocks")
    if seen.jpeg_quality is not None:
        kind.append(f"JPEG quality {seen.jpeg_quality:.0f}")
    return (
        name,
        f"{255 * seen.sigma:.1f}",
        f"{100 * seen.impulse_share:.1f} %",
        f"{100 * seen.clipped_share:.1f} %",
        ", ".join(kind),
        command or "nothing to remove",
    )

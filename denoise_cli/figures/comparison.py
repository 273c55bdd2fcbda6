"""Many versions of images side by side: as one picture, or as a page that needs nothing but itself."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePath

import numpy as np

from denoise_cli.figures.sheet import contact_sheet
from denoise_cli.image import Image, Source, encode

_COLUMNS = 4  # of a sheet
_WIDE = 256  # least width of a picture, pixels, so that captions fit beneath
_HIGH = 1024  # largest height that a picture is brought to for that
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child, td.error { text-align: left; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0 3rem; }
figure { margin: 0; max-width: 100%; }
figure span { display: block; width: fit-content; background: var(--first) 0 0 / 100% 100%; }
figure span, img { image-rendering: pixelated; }
img { display: block; max-width: 100%; height: auto; }
img:hover, img:active { opacity: 0; }
"""


@dataclass(frozen=True)
class Version:
    """One version of an image, or why there is none."""

    name: str
    image: Image | None = None  # the part that is shown
    cells: tuple[str, ...] = ()  # what is known of it, a word for each column of the table
    error: str = ""


@dataclass(frozen=True)
class Comparison:
    """All versions of one image, of one size; the first is the noisy one."""

    title: str
    note: str
    versions: Sequence[Version]


def sheet(comparisons: Sequence[Comparison]) -> Image:
    """The versions of each image in a grid, those of one image below those of the other; without those that failed."""
    parts = []
    for comparison in comparisons:
        there = [(version, version.image) for version in comparison.versions if version.image is not None]
        captions = [f"{version.name}\n{', '.join(filter(None, version.cells))}".rstrip() for version, _ in there]
        if len(comparisons) > 1:
            captions[0] = f"{PurePath(comparison.title).name}: {captions[0]}"
        rows = -(-len(there) // _COLUMNS)
        images = [image for _, image in there]
        parts.append(contact_sheet(images, captions, -(-len(there) // rows), _zoom(images[0])).pixels)
    widest = max(part.shape[2] for part in parts)
    padded = [np.pad(part, ((0, 0), (0, 0), (0, widest - part.shape[2])), constant_values=1) for part in parts]
    return Image(np.concatenate(padded, axis=1), Source("sheet"))


def page(comparisons: Sequence[Comparison], titles: Sequence[str], footer: str) -> str:
    """An HTML page with the pictures in it, a table with the columns ``titles``, and a last line.

    No scripts, and nothing is asked of a network. A picture that is pointed at gives way to the noisy image.
    """
    heading = "".join(f"<th>{escape(title)}</th>" for title in ("", *titles))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        """<meta http-equiv="Content-Security-Policy" """
        """content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">""",
        f"<title>denoise compare: {escape(', '.join(one.title for one in comparisons))}</title>",
        f"<style>{_STYLE}</style></head><body>",
    ]
    for comparison in comparisons:
        parts += [f"<h1>{escape(comparison.title)}</h1>", f"<p>{escape(comparison.note)}</p>"]
        told = [version for version in comparison.versions if any(version.cells) or version.error]
        parts += [f"<table><tr>{heading}</tr>", *(_row(version, len(titles)) for version in told), "</table>"]
        pictures = [(one, one.image) for one in comparison.versions if one.image is not None]
        parts.append(f'<div class="pictures" style="--first: url({_data(pictures[0][1])})">')
        parts += [_figure(version, image) for version, image in pictures]
        parts.append("</div>")
    parts += [f"<p>Point at a picture to see the noisy one. {escape(footer)}</p>", "</body></html>"]
    return "\n".join(parts) + "\n"


def _row(version: Version, columns: int) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in version.cells)
    if version.error:
        cells = f'<td class="error" colspan="{columns}">{escape(version.error)}</td>'
    return f"<tr><td>{escape(version.name)}</td>{cells}</tr>"


def _figure(version: Version, image: Image) -> str:
    wide, high = (side * _zoom(image) for side in (image.width, image.height))
    words = ", ".join(filter(None, version.cells))
    return (
        f'<figure><span><img src="{_data(image)}" width="{wide}" height="{high}" alt="{escape(version.name)}"></span>'
        f"<figcaption>{escape(version.name)}<br>{escape(words)}</figcaption></figure>"
    )


def _zoom(image: Image) -> int:
    return max(1, min(-(-_WIDE // image.width), _HIGH // image.height))


def _data(image: Image) -> str:
    """The picture in 8 bits, as a URL that holds it."""
    plain = Image(image.pixels.clip(0, 1), Source(image.source.name, icc=image.source.icc))
    return f"data:image/png;base64,{b64encode(encode(plain, 'png')).decode()}"

"""Feeds mutated image files of every format to ``denoise run``.

    python tests/reliability/fuzz.py [COUNT] [SEED]

Every file must end in a result that can be read again or in a message; a run over 250 of them must end with exit code
0, 3 or 7, without a traceback, within two minutes and within the memory. Prints what was counted as JSON; exit code 1
where anything was wrong.
"""

import io
import json
import random
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forks
import numpy as np
import tifffile
from PIL import Image as Pillow

PER_RUN = 250
SECONDS = 120
SUFFIXES = {b"\x89P": ".png", b"\xff\xd8": ".jpg", b"II": ".tif", b"MM": ".tif", b"RI": ".webp", b"GI": ".gif"}
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """Real files: photographs of the samples, cut small, in all formats and kinds."""
    folder = Path(__file__).parents[2] / "samples" / "clean"
    colour = Pillow.open(folder / "coffee.png").convert("RGB").crop((100, 100, 140, 132))
    other = Pillow.open(folder / "rocket.png").convert("RGB").crop((100, 100, 140, 132))
    gray, alpha = colour.convert("L"), colour.copy()
    alpha.putalpha(gray)
    about = Pillow.Exif()
    about[0x0112], about[0x010F] = 6, "Maker"
    several = {"save_all": True, "append_images": [other, colour]}
    made = [_saved(picture, "PNG") for picture in (colour, gray, alpha, gray.convert("LA"), gray.convert("1"))]
    made += [
        _saved(colour.quantize(16), "PNG"),
        _saved(colour, "PNG", exif=about, dpi=(72, 72)),
        _saved(colour, "PNG", **several),
    ]
    made += [_saved(colour, "JPEG", exif=about), _saved(gray, "JPEG"), _saved(colour.convert("CMYK"), "JPEG")]
    made += [
        _saved(colour, "JPEG", progressive=True, quality=60),
        _saved(colour, "WEBP"),
        _saved(alpha, "WEBP", lossless=True),
    ]
    made += [_saved(colour, "WEBP", **several), _saved(colour, "GIF"), _saved(colour, "GIF", **several)]
    made += [
        _saved(colour, "TIFF", compression=how) for how in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    made += [_saved(gray.convert("1"), "TIFF", compression="group4"), _saved(colour, "TIFF", **several)]
    made += [_saved(picture, "BMP") for picture in (colour, gray, alpha, gray.convert("1"))]
    made += [_saved(picture, "PPM") for picture in (colour, gray, gray.convert("1"))]
    made.append(b"P3 3 2 255\n" + b" ".join(b"%d" % value for value in range(18)))
    deep = np.asarray(colour).astype(np.uint16) * 257
    made += [
        _deep(deep, photometric="rgb"),
        _deep(deep[..., 0], compression="zlib"),
        _deep(deep / np.float32(65535), photometric="rgb"),
    ]
    made += [_deep(deep, photometric="rgb", bigtiff=True), _deep(deep[:32, :32], photometric="rgb", tile=(16, 16))]
    made += [b"P6 40 32 65535\n" + deep.astype(">u2").tobytes(), _png_16(deep)]
    return made


def _saved(picture: Pillow.Image, format: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **how)
    return stream.getvalue()


def _deep(samples: Any, **how: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **how)
    return stream.getvalue()


def _png_16(samples: Any) -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", samples)[1].tobytes())


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """``data`` with one to four things wrong with it; checksums of PNG files made right again for every other."""
    content = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(MUTATIONS)(content, others, chance)
    return checked(bytes(content)) if chance.random() < 0.5 else bytes(content)


def _flip(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    for _ in range(min(len(content), chance.randint(1, 8))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _header(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    if content:
        content[chance.randrange(min(len(content), 80))] = chance.randrange(256)


def _edge(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    at, kind = chance.randrange(len(content) + 1), chance.choice(["<H", ">H", "<I", ">I"])
    value = struct.pack(kind, chance.choice(EDGES) & (0xFFFF if kind[1] == "H" else 0xFFFFFFFF))
    content[at : at + len(value)] = value


def _cut(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _drop(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    del content[at : at + chance.randint(1, 64)]


def _repeat(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    content[at:at] = content[at : at + chance.randint(1, 200)] * chance.randint(1, 5)


def _splice(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    at = chance.randrange(len(content) + 1)
    content[at:] = other[min(at, len(other)) :]


def _noise(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    content[at : at + 16] = chance.randbytes(chance.randint(0, 32))


Mutation = Callable[[bytearray, list[bytes], random.Random], None]
MUTATIONS: list[Mutation] = [_flip, _flip, _header, _header, _edge, _edge, _cut, _drop, _repeat, _splice, _noise]


def checked(data: bytes) -> bytes:
    """``data`` with right checksums, where it is a PNG file and as far as its chunks can be followed."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    content, at = bytearray(data), 8
    while at + 12 <= len(content):
        end = at + 8 + int(struct.unpack_from(">I", content, at)[0])
        if end + 4 > len(content):
            break
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    return bytes(content)


def main(count: int, seed: int) -> int:
    """Do it with ``count`` files."""
    forks.preload()
    chance, originals = random.Random(seed), seeds()
    reasons: Counter[str] = Counter()
    wrong: list[str] = []
    results, largest = 0, 0
    with tempfile.TemporaryDirectory() as place:
        for first in range(0, count, PER_RUN):
            here = Path(place) / str(first)
            (here / "in").mkdir(parents=True)
            for index in range(first, min(first + PER_RUN, count)):
                original = originals[index % len(originals)]
                suffix = next((suffix for magic, suffix in SUFFIXES.items() if original.startswith(magic)), ".ppm")
                data = mutated(original, originals, chance)
                (here / "in" / f"{index}{'.bmp' if original.startswith(b'BM') else suffix}").write_bytes(data)
            files = sorted(path.name for path in (here / "in").iterdir())
            argv = [
                "run",
                str(here / "in"),
                "-o",
                str(here / "out"),
                "-m",
                "median",
                "--json",
                "--max-pixels",
                "1000000",
            ]
            run = forks.start(argv, here / "log")
            code, memory = run.wait(SECONDS)
            largest = max(largest, memory)
            if code not in (0, 3, 7) or "Traceback" in run.said() or memory > forks.MEMORY:
                wrong.append(f"files from {first}: exit code {code}, {memory >> 20} MiB: {run.said()[-3000:]}")
            records = [json.loads(line) for line in run.printed().splitlines()]
            if [Path(record["input"]).name for record in records] != files:
                wrong.append(f"files from {first}: {len(records)} of {len(files)} were told of")
            for record in records:
                reasons[_kind(record["error"])] += 1
                results += record["error"] is None
                wrong += _check(record)
    counted = {"files": count, "seed": seed, "results": results, "messages": count - results}
    shown = {"peak_mib": largest >> 20, "kinds": len(reasons), "most": reasons.most_common(12), "wrong": wrong}
    sys.stdout.write(json.dumps(counted | shown, indent=1) + "\n")
    return 1 if wrong else 0


def _kind(error: str | None) -> str:
    """A message without what is special to its file."""
    if error is None:
        return "a result"
    words = error.splitlines()[0].split(" ", 1)[-1]
    return "".join("#" if letter.isdigit() else letter for letter in words)[:60]


def _check(record: dict[str, Any]) -> list[str]:
    """What is wrong with what became of one file."""
    from denoise_cli.errors import DenoiseError
    from denoise_cli.image import decode_frames

    if record["error"] is not None:
        return [] if not record["output"] else [f"{record['input']}: a result beside an error"]
    try:
        decode_frames(Path(record["output"][0]).read_bytes(), "result")
    except (DenoiseError, OSError) as error:
        return [f"{record['input']}: its result cannot be read: {error}"]
    return []


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(int(words[0]) if words else 10_000, int(words[1]) if len(words) > 1 else 0))

"""Tiny ImageNet (Le and Yang, Stanford CS 231N, 2015): 64x64 JPEGs in 200 classes of WordNet.

http://cs231n.stanford.edu/. Its archive as a zip or a tar, or its folder; with fewer images alike.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from denoise_cli.data import classes
from denoise_cli.data.archives import exactly, members
from denoise_cli.data.source import Pixels, Source, eight_bits
from denoise_cli.errors import InputError
from denoise_cli.image import decode

_IMAGE = re.compile(
    r"(?:tiny-imagenet-200/)?"
    r"(?:train/(?P<wnid>n\d{8})/images/(?P<train>n\d{8}_\d+)|(?P<split>val|test)/images/(?P<other>\w+))\.JPEG"
)
_ANNOTATIONS = re.compile(r"(?:tiny-imagenet-200/)?val/val_annotations\.txt")  # of each image its class, and a box
_ANNOTATION = re.compile(r"(?P<image>\w+)\.JPEG\t(?P<wnid>n\d{8})\b")
_LARGEST = 1 << 20  # bytes of one image; the official ones have a few thousand
_PIXELS = 1 << 20


def open_tiny_imagenet(word: str, path: Path, sizes: dict[str, int]) -> Source | None:
    """The source in ``path``, whose files are ``sizes``, or ``None`` where no images of Tiny ImageNet are among them.

    Images are named by split and, in ``train``, class: ``train/n02124075/n02124075_1.png``, ``val/val_0.png``.
    """
    names: dict[str, str] = {}
    shown: dict[str, str] = {}
    for file, size in sizes.items():
        found = _IMAGE.fullmatch(file)
        if found and size <= _LARGEST:
            names[file] = (
                f"train/{found['wnid']}/{found['train']}.png"
                if found["wnid"]
                else f"{found['split']}/{found['other']}.png"
            )
            if found["wnid"]:
                shown[names[file]] = classes.of_wordnet(found["wnid"])
    if not names:
        return None
    if len(set(names.values())) < len(names):
        raise InputError(f"{path} holds Tiny ImageNet more than once.", "Name the folder of one version.")

    def read(wanted: Collection[str]) -> Iterator[tuple[str, Pixels | InputError]]:
        files = {file: None for file, name in names.items() if name in wanted}
        for file, stream in members(path, files):
            data = exactly(stream, sizes[file], f"{path}: {file}")
            try:
                yield names[file], eight_bits(decode(data, f"{path}: {file}", _PIXELS).pixels)
            except InputError as error:
                yield names[file], error

    for wnid, image in _annotated(path, sizes):
        shown[f"val/{image}.png"] = classes.of_wordnet(wnid)
    tested = frozenset(name for name in names.values() if not name.startswith("train/"))
    return Source(word, tuple(names.values()), read, tested, shown)


def _annotated(path: Path, sizes: dict[str, int]) -> Iterator[tuple[str, str]]:
    """The class of WordNet and the name of each image of the validation part that the set says them of."""
    files = [file for file, size in sizes.items() if _ANNOTATIONS.fullmatch(file) and size <= _LARGEST]
    for file, stream in members(path, files):
        for line in exactly(stream, sizes[file], f"{path}: {file}").decode("utf-8", "replace").splitlines():
            found = _ANNOTATION.match(line)
            if found:
                yield found["wnid"], found["image"]

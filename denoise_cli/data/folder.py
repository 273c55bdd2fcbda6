"""A folder of images, with the folders in it, or a single image."""

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from denoise_cli.data import classes
from denoise_cli.data.source import Notice, Pixels, Source, pixels_of
from denoise_cli.errors import InputError
from denoise_cli.image import is_image


def open_folder(word: str, path: Path, notice: Notice = lambda _: None) -> Source:
    """Every image under the folder ``path``, or the image ``path``, named by its place with ``.png`` for its suffix.

    Hidden files and folders are left out. ``notice`` is told what reading an image changed. Raises ``InputError`` where
    there is no image, or where one would get the name of another, or of a folder with images.
    """
    root = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    names: dict[str, Path] = {}
    for file in files:
        place = PurePosixPath(file.relative_to(root).as_posix())
        if not is_image(file) or not file.is_file() or any(part.startswith(".") for part in place.parts):
            continue
        name = str(place.with_suffix(".png"))
        if name in names:
            raise InputError(
                f"{names[name]} and {file} would both become {name}.",
                "Rename one of them, or move it to another folder.",
            )
        names[name] = file
    for name, file in names.items():
        for above in map(str, PurePosixPath(name).parents):
            if above in names:
                raise InputError(
                    f"{names[above]} would become {above}, and so is the folder of {file} called.",
                    "Rename one of them, or move it to another folder.",
                )
    if not names:
        raise InputError(f"There is no image in {path}.", "Name a folder with PNG, JPEG, TIFF, WebP, BMP or PPM files.")

    def reader(wanted: Collection[str]) -> Iterator[tuple[str, Pixels | InputError]]:
        for name, file in names.items():
            if name in wanted:
                try:
                    yield name, pixels_of(file, notice)
                except InputError as error:
                    yield name, error

    return Source(word, tuple(names), reader, classes={name: classes.of_folders(name) for name in names})

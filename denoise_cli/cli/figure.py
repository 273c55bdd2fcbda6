"""``denoise figure``: pictures about pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denoise_cli.cli import flags, screen

if TYPE_CHECKING:
    from denoise_cli.image import Image

figure = typer.Typer(
    help="Draw figures: contact sheets.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@figure.callback()
def _commands() -> None:
    """Keeps the figure's name in the command line while there is only one."""


@figure.command()
def sheet(
    images: Annotated[list[Path], typer.Argument(help="Versions of one image, all of one size.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The sheet.")],
    captions: Annotated[str | None, typer.Option(help="Words beneath the images, separated by commas.")] = None,
    clean: Annotated[Path | None, typer.Option(help="The clean image: its PSNR is written beneath each.")] = None,
    columns: Annotated[int | None, typer.Option(help="Images a row; by default all in one.", min=1)] = None,
    zoom: Annotated[int, typer.Option(help="Show every pixel so many times each way.", min=1, max=16)] = 1,
    max_pixels: flags.MaxPixels = None,
    force: flags.Force = False,
) -> None:
    """Put versions of an image side by side, on the scale of the clean one, or of the first.

    Example: `denoise figure sheet noisy.png denoised.png clean.png --captions noisy,denoised,clean -o sheet.png`
    """
    from denoise_cli.errors import OutputError, UsageError
    from denoise_cli.figures.sheet import contact_sheet
    from denoise_cli.image import MAX_PIXELS, read, write
    from denoise_cli.scoring.rows import in_unit_of

    words = captions.split(",") if captions is not None else [path.stem for path in images]
    if len(words) != len(images):
        raise UsageError(f"{len(words)} captions for {len(images)} images.", "Give one for each, separated by commas.")
    if output.resolve() in [path.resolve() for path in (*images, *([clean] if clean else []))]:
        raise OutputError(f"The input {str(output)!r} would be overwritten by the sheet.", "Give -o another name.")
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    loaded = [read(path, limit) for path in images]
    reference = loaded[0] if clean is None else read(clean, limit)
    for warning in dict.fromkeys(warning for image in (*loaded, reference) for warning in image.source.warnings):
        screen.say(screen.one_line(warning))
    if clean is not None:
        words = [_with_psnr(word, image, reference) for word, image in zip(words, loaded, strict=True)]
    shown = [image.with_pixels(in_unit_of(reference, image)) for image in loaded]
    write(contact_sheet(shown, words, columns or len(shown), zoom), output, force=force)
    screen.emit(str(output))


def _with_psnr(caption: str, image: "Image", clean: "Image") -> str:
    from denoise_cli import metrics
    from denoise_cli.errors import InputError
    from denoise_cli.scoring.rows import scores_of

    try:
        scores, _ = scores_of(image, clean, {"psnr": metrics.find("psnr")})
    except InputError as error:
        raise InputError(f"{image.source.name} {error.what}.", "Choose versions of one image.") from error
    return caption if scores["psnr"] == float("inf") else f"{caption}, {scores['psnr']:.1f} dB"

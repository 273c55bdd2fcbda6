"""The images that come with denoise."""

from pathlib import Path

import denoise_cli
from denoise_cli.errors import InputError

WORD = "samples"  # what manifests call the bundled samples


def samples() -> Path:
    """The folder with ``clean/`` and ``noisy/``: inside the installed package, or beside it in a checkout.

    Raises ``InputError`` where it is in neither place.
    """
    package = Path(denoise_cli.__file__).parent
    for folder in (package / "_samples", package.parent / "samples"):
        if (folder / "clean").is_dir():
            return folder
    raise InputError(
        f"The bundled samples are not in {package}.", "Install denoise again, or name a folder of images of your own."
    )

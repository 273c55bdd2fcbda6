"""``denoise doctor``: what this machine has, and why not more."""

import json
import platform
import sys
from typing import Annotated

import typer

from denoise_cli import __version__
from denoise_cli.cli import screen

_PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors", "tifffile", "typer", "rich")
_EXTRAS = ("matplotlib", "onnx", "onnxruntime", "onnxscript", "ray", "fsspec", "OpenEXR", "pydicom")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show the devices, why a GPU is not used, the weights and the versions."""
    from denoise_cli import device as devices
    from denoise_cli import shelf

    chosen = devices.pick("auto")
    found = {
        "denoise": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": devices.describe(chosen),
        "precision": str(devices.precision("auto", chosen)).removeprefix("torch."),
        **devices.absent(),
        "weights": f"{len(shelf.entries())} in {shelf.folder()}",
        **{name: _version(name) for name in (*_PACKAGES, *_EXTRAS)},
    }
    if as_json:
        screen.emit(json.dumps(found))
        return
    width = max(map(len, found))
    for name, value in found.items():
        screen.emit(f"{name:{width}}  {value}")


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed" + (
            " (optional)" if package in _EXTRAS else f"; {sys.executable} -m pip install {package}"
        )

"""Import OpenCV, and say what to do where it cannot be imported."""

from types import ModuleType

from denoise_cli.errors import DenoiseError


def load_opencv() -> ModuleType:
    """The module ``cv2``. Raises DenoiseError where it cannot be imported, as on a machine without libGL."""
    try:
        import cv2
    except ImportError as error:
        raise DenoiseError(
            f"OpenCV cannot be imported: {error}.",
            "Install the build that needs no display: pip uninstall opencv-python; "
            "pip install --force-reinstall opencv-python-headless",
        ) from error
    module: ModuleType = cv2
    return module

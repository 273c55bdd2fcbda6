"""denoise: a command-line image denoiser, and ``denoise_cli.denoise``, the same for arrays."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denoise_cli.api import denoise

__version__ = "0.1.0"
__all__ = ["__version__", "denoise"]


def __getattr__(name: str) -> Any:
    """``denoise``, imported when it is first asked for: it needs torch, which takes seconds."""
    if name != "denoise":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from denoise_cli.api import denoise

    return denoise

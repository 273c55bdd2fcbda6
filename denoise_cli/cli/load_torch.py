"""Imports PyTorch for the commands that need it."""

import gc
import sys


def load_torch() -> None:
    """Import PyTorch without a search for garbage among its new objects, and leave them out of later ones.

    The searches that they set off find nothing, and take 0.12 s of 1.0.
    """
    if "torch" in sys.modules:
        return
    on = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        if on:
            gc.enable()
    gc.freeze()

"""Functions that look only so far: a promise by which a large image can be walked a few rows at a time."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def locally(function: Callable[..., Tensor], reach: int, *arguments: Any) -> Tensor:
    """``function(*arguments)``, an image made of images of the same height and width, (N, C, H, W) each.

    ``function`` promises that no pixel looks farther than ``reach``, that it takes images of any size, and that where
    rows are cut off it matters to no pixel farther than that from the cut. Nothing else changes here: it is a mark for
    those who walk (``inference.trace``), by PyTorch's protocol for functions that can be overridden.
    """
    if has_torch_function(arguments):
        return handle_torch_function(locally, arguments, function, reach, *arguments)
    return function(*arguments)

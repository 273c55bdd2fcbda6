"""Read the pickles of CIFAR-10 without trusting them: arrays, text, numbers, lists and dicts come out, nothing else.

A pickle may call whatever it can name. Here it can name four things, and each is a function of ours that only makes an
empty array or a byte type; the array's own ``__setstate__`` then checks that the data fit the shape. An unpickler makes
room for as many objects as the largest number in its memo says, so these are looked through first: none is above what
the operations before it can have filled.
"""

import pickle
import pickletools
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from denoise_cli.errors import InputError

_BYTE_TYPES = ("u1", "|u1", "uint8")
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")  # operations that name their place in the memo


def load(data: bytes, what: str) -> object:
    """The object pickled in ``data``; Python 2's strings are read as latin-1.

    Raises ``InputError``, which names ``what``, where ``data`` are damaged or name a function that is not admitted.
    """
    try:
        for done, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if operation.name in _PUTS and (argument or 0) > done:
                raise ValueError(f"place {argument} of the memo after {done} operations")
        return _Restricted(BytesIO(data), encoding="latin1").load()
    except InputError:
        raise
    except Exception as error:  # a hostile pickle can make the unpickler raise nearly anything
        raise InputError(f"{what} is no pickle of CIFAR-10: {error}.", "Get the official archive again.") from error


class _Restricted(pickle.Unpickler):
    """An unpickler that finds only what an array of bytes is made of."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        found = _ADMITTED.get(f"{module_name}.{global_name}")
        if found is None:
            raise InputError(
                f"The pickle asks for {module_name}.{global_name}, which no data set needs; it was not read.",
                "Get the official archive; this one may be meant to do harm.",
            )
        return found


def _empty_array(kind: object, shape: object, typecode: object) -> np.ndarray[Any, Any]:
    """What ``_reconstruct`` makes before its state is set; the shape asked for is never allocated."""
    return np.empty(0, dtype=np.uint8)


def _byte_type(code: str, *flags: object) -> np.dtype[Any]:
    if code not in _BYTE_TYPES:
        raise ValueError(f"an array of {code!r} where bytes were expected")
    return np.dtype(np.uint8)


def _latin1(text: str, encoding: str) -> bytes:
    """How a Python 3 pickle of an old protocol spells bytes."""
    return text.encode("latin1")


_ARRAY_CLASS = "numpy.ndarray"  # only ever handed back to _empty_array, so a word will do

_ADMITTED: dict[str, Callable[..., Any] | str] = {
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy.ndarray": _ARRAY_CLASS,
    "numpy.dtype": _byte_type,
    "_codecs.encode": _latin1,
}

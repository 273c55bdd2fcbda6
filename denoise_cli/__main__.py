"""``python -m denoise_cli``, and the console script: as soon as this runs, a signal ends it without a traceback."""

import gc
import os
import signal
import sys

# Linux: PyTorch asks for large pages for its large tensors; has to be said before it is imported. Measured for dncnn in
# bfloat16 on one core with AMX: 0.90 of the time for 1024x1024 pixels in memory, 0.93 for a run on a photo of 12 MP.
_LARGE_PAGES = ("THP_MEM_ALLOC_ENABLE", "1")


def entry() -> None:
    """Run the command line; what it needs is imported where a signal is caught already."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as in the background
        signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    _open_streams()
    os.environ.setdefault(*_LARGE_PAGES)
    try:
        from denoise_cli.cli import app

        app.entry()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(130)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is done: Python only tidies up, and would show a traceback
        gc.freeze()  # no search for garbage in all that PyTorch holds, again and again: 0.2 s of an exit


def _open_streams() -> None:
    """Let standard streams that were closed be empty ones; an image would be opened in their place otherwise."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # the lowest number is taken first
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  (it stays open; a device is no path)


def _leave(number: int, frame: object) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and getattr(torch.__spec__, "_initializing", False):
        os._exit(128 + number)  # PyTorch's C++ code, which imports modules of Python, aborts at an exception
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


if __name__ == "__main__":
    entry()

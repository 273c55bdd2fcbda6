"""``python -m denoise_cli``, and the console script: as soon as this runs, a signal ends it without a traceback."""

import signal
import sys


def entry() -> None:
    """Run the command line; what it needs is imported where Ctrl-C is caught already."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        from denoise_cli.cli import app

        app.entry()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(130)


if __name__ == "__main__":
    entry()

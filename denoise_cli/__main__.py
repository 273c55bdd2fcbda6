"""``python -m denoise_cli`` is ``denoise``."""

from denoise_cli.cli.app import entry

entry()

"""denoise: a command-line image denoiser."""

__version__ = "0.1.0"

"""Read and write image files: pixels in [0, 1], and beside them all that a file holds besides its pixels."""

from denoise_cli.image.arrays import from_array, from_pillow, to_array, to_pillow
from denoise_cli.image.opencv import load_opencv
from denoise_cli.image.picture import CORE, FORMATS, SUFFIXES, Box, Image, Jpeg, Source, format_of, is_image
from denoise_cli.image.reading import MAX_PIXELS, decode, decode_frames, fetch, most_bytes, read
from denoise_cli.image.writing import encode, encode_frames, write

__all__ = [
    "CORE",
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Box",
    "Image",
    "Jpeg",
    "Source",
    "decode",
    "decode_frames",
    "encode",
    "encode_frames",
    "fetch",
    "format_of",
    "from_array",
    "from_pillow",
    "is_image",
    "load_opencv",
    "most_bytes",
    "read",
    "to_array",
    "to_pillow",
    "write",
]

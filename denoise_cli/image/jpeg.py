"""Where the picture in a JPEG file ends."""

import re

_MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])")  # of a segment, or of the end (ITU-T T.81, B.1.1.3)
_END = b"\xd9"
_PADDING = b"\0\xff\r\n "


def behind(data: bytes) -> int:
    """How many bytes of ``data`` lie behind its picture, the video of a moving photo for one; padding is none.

    Segments are stepped over, so that neither a thumbnail nor a profile passes for the end.
    """
    at = 2
    while found := _MARKER.search(data, at):
        if found[1] == _END:
            return len(data[found.end() :].strip(_PADDING))
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return 0

"""Whole files over HTTP, in bounded time and memory."""

import time
import urllib.request

from tnet_tf.errors import UserError, one_line
from tnet_tf.images.source import explained

SECONDS = 30
"""After which a server that says nothing is given up."""
_LEAST_BYTES_A_SECOND = 1000
_PART = 2**16
# No image has more bytes than these: 16 bits in 4 channels for each pixel, and what describes it.
_BYTES_PER_PIXEL = 8
_BYTES_BESIDES = 2**26


def download(url: str, max_pixels: int) -> bytes:
    """Reads a file.

    Args:
      url: http:// or https://.
      max_pixels: of the image that it holds; more bytes than these can take are not read.

    Raises:
      UserError: it can't be reached, has too many bytes, or the server is too slow.
    """
    most = _BYTES_PER_PIXEL * max_pixels + _BYTES_BESIDES
    started, parts, length = time.monotonic(), [], 0
    with explained(url), urllib.request.urlopen(url, timeout=SECONDS) as answer:
        while part := answer.read1(_PART):
            parts.append(part)
            length += len(part)
            if length > most:
                raise UserError(
                    f"{one_line(url)}: it has more bytes than an image of {max_pixels} pixels"
                )
            seconds = time.monotonic() - started
            if seconds > SECONDS + length / _LEAST_BYTES_A_SECOND:
                raise UserError(f"{one_line(url)}: {length} bytes came in {seconds:.0f} seconds")
        declared = answer.headers.get("Content-Length", "")
        if declared.isdigit() and int(declared) != length:
            raise ValueError(f"{length} of {declared} bytes came")
    return b"".join(parts)

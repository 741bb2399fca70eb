"""Whole images of every format that prepare reads, in the kinds that cameras and programs make."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.damage import Random
from tests.inputs.images import encoded, noise, png_chunk

_ORIENTATION_TAG = 0x0112
# First row and column, and steps between rows and columns, of the passes of an interlaced PNG.
_ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def _of(format: str, mode: str = "RGB", **settings: object) -> Callable[[Image.Image], bytes]:
    return lambda image: encoded(image.convert(mode), format, **settings)


def _several(format: str, mode: str = "RGB", **settings: object) -> Callable[[Image.Image], bytes]:
    """Three frames, the others being the first one turned."""

    def encode(image: Image.Image) -> bytes:
        frames = [image.rotate(angle).convert(mode) for angle in (0, 90, 180)]
        return encoded(
            frames[0], format, save_all=True, append_images=frames[1:], duration=50, **settings
        )

    return encode


def _rotated(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = 2 + image.width % 7
    return encoded(image, "JPEG", exif=exif)


def _sixteen_bits(image: Image.Image) -> bytes:
    deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(deep), "PNG")


def _see_through(image: Image.Image, mode: str) -> Image.Image:
    other = image.convert(mode)
    other.putalpha(image.convert("L"))
    return other


def _one_colour_see_through(image: Image.Image) -> bytes:
    return encoded(image.convert("P"), "PNG", transparency=3)


def _interlaced(image: Image.Image) -> bytes:
    """A PNG in seven passes, which Pillow reads but does not write."""
    pixels = np.asarray(image)
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in _ADAM7
        for row in pixels[top::down, left::across]
        if row.size
    )
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


KINDS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "baseline JPEG": ("jpg", _of("JPEG")),
    "progressive JPEG": ("jpg", _of("JPEG", progressive=True)),
    "JPEG with restarts": ("jpg", _of("JPEG", restart_marker_blocks=2)),
    "grey JPEG": ("jpg", _of("JPEG", "L")),
    "CMYK JPEG": ("jpeg", _of("JPEG", "CMYK")),
    "rotated JPEG": ("jpg", _rotated),
    "JPEG of two pictures": ("jpg", _several("MPO")),
    "RGB PNG": ("png", _of("PNG")),
    "grey PNG": ("png", _of("PNG", "L")),
    "one-bit PNG": ("png", _of("PNG", "1")),
    "palette PNG": ("png", _of("PNG", "P")),
    "palette PNG with transparency": ("png", _one_colour_see_through),
    "PNG with alpha": ("png", lambda image: encoded(_see_through(image, "RGB"), "PNG")),
    "grey PNG with alpha": ("png", lambda image: encoded(_see_through(image, "L"), "PNG")),
    "16-bit PNG": ("png", _sixteen_bits),
    "interlaced PNG": ("png", _interlaced),
    "animated PNG": ("png", _several("PNG")),
    "GIF": ("gif", _of("GIF", "P")),
    "animated GIF": ("gif", _several("GIF", "P")),
    "BMP": ("bmp", _of("BMP")),
    "palette BMP": ("bmp", _of("BMP", "P")),
    "one-bit BMP": ("bmp", _of("BMP", "1")),
    "lossy WebP": ("webp", _of("WEBP")),
    "lossless WebP": ("webp", _of("WEBP", lossless=True)),
    "WebP with alpha": ("webp", lambda image: encoded(_see_through(image, "RGB"), "WEBP")),
    "animated WebP": ("webp", _several("WEBP")),
}
"""Of each kind: the ending of its files' names, and what encodes an image."""


def whole_image(kind: str, random: Random) -> bytes:
    """A file of a kind, of 8 to 64 pixels a side."""
    height, width = (int(side) for side in random.integers(8, 65, 2))
    return KINDS[kind][1](noise(height, width, int(random.integers(1000))))


def any_kind(random: Random) -> str:
    """The name of one of all kinds."""
    return list(KINDS)[random.integers(len(KINDS))]

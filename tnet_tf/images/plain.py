"""Plain image files: JPEG, PNG, WebP, BMP and GIF, decoded whole by Pillow."""

import io
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tnet_tf.images import upright_rgb
from tnet_tf.images.arrays import array_tiles
from tnet_tf.images.bands import choose
from tnet_tf.images.source import MAX_PIXELS, Size, Source, check_decodable, explained

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
# What a format's decoder takes more memory than the others by.
_MEMORY = {"WEBP": 2}
# A JPEG's decoder makes these at a fraction of the cost, each pixel about the mean of a block.
_JPEG_REDUCTIONS: tuple[int, ...] = (1, 2, 4, 8)
_PNG_SIGNATURE = 8
# A file with more is decoded to look at all of them.
_MOST_CHUNKS = 10**5

# `max_pixels` is the limit.
Image.MAX_IMAGE_PIXELS = None
# Pillow loads its rarer formats late, and not safely with several threads.
Image.init()


class PlainSource(Source):
    """A plain image file as 8 bits of RGB, upright, decoded whole when its pixels are first needed.

    16 bits, palettes, CMYK and transparency (on white) are converted as `upright_rgb` says; of an
    animation the first frame is read. A JPEG's reduced-size decodings are its further levels.

    Args:
      file: a path, or the content of a file.
      bands: of red, green and blue; all without.
      max_pixels: that are decoded; half as many of WebP.
      name: for messages; the path without.

    Raises:
      UserError: the file is none of these, empty or damaged, or has too many pixels.
    """

    def __init__(
        self,
        file: str | Path | bytes,
        bands: Sequence[int] | None = None,
        max_pixels: int = MAX_PIXELS,
        name: str = "",
    ):
        name = name or str(file)
        self._file = file
        with explained(name), _open(file) as image:
            kind, stored = image.format or "", Size(image.height, image.width)
            memory = _MEMORY.get(kind, 1)
            cure = "give more" if memory == 1 else f"{kind} counts {memory}-fold; give more"
            check_decodable(name, "it has", stored, max_pixels // memory, cure)
            if kind == "PNG" and not _is_described_late(file):
                image.info.setdefault("exif", b"")  # Pillow would decode all to look for it.
            size = Size(*upright_rgb.size(image))
        possible = _JPEG_REDUCTIONS if kind == "JPEG" else (1,)
        reductions = [each for each in possible if each == 1 or each <= min(size)]
        levels = [Size(-(-size.height // each), -(-size.width // each)) for each in reductions]
        self._bands = choose(name, bands, 3) if bands is not None else (0, 1, 2)
        super().__init__(name, levels, array_tiles(levels), len(self._bands), np.dtype(np.uint8))
        self._reductions = reductions
        self._pixels: dict[int, np.ndarray] = {}
        self._locks = [threading.Lock() for _ in levels]

    def _read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        with self._locks[level]:
            if level not in self._pixels:
                self._pixels[level] = self._decode(level)
        return self._pixels[level][top : top + height, left : left + width]

    def _decode(self, level: int) -> np.ndarray:
        content = self._file if isinstance(self._file, bytes) else Path(self._file).read_bytes()
        self._spend(1, len(content))
        with _open(content) as image:
            if level:
                divisor = self._reductions[level]
                image.draft(image.mode, (image.width // divisor, image.height // divisor))
            pixels = np.asarray(upright_rgb.convert(image))
        if pixels.shape[:2] != self.levels[level]:
            raise ValueError(f"{pixels.shape[:2]} pixels instead of {tuple(self.levels[level])}")
        return pixels if self._bands == (0, 1, 2) else pixels[..., self._bands]

    def close(self) -> None:
        """Gives the pixels back."""
        self._pixels.clear()


def _is_described_late(file: str | Path | bytes) -> bool:
    """Whether a PNG may say after its pixels that it is turned, instead of before them."""
    pixels_seen = False
    with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as chunks:
        chunks.seek(_PNG_SIGNATURE)
        for _ in range(_MOST_CHUNKS):
            head = chunks.read(8)
            if len(head) < 8:
                return False
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT":
                pixels_seen = True
            elif pixels_seen and kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
                return True
            chunks.seek(length + 4, io.SEEK_CUR)
    return True


def _open(file: str | Path | bytes) -> Image.Image:
    return Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS)

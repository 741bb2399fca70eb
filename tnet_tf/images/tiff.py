"""TIFF files on local disk: tiled, striped and pyramidal ones, BigTIFF, OME-TIFF and SVS.

tifffile reads the pages, imagecodecs decodes the tiles and strips that a window needs.
"""

import io
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnet_tf.errors import UserError, one_line
from tnet_tf.images.orientation import Window
from tnet_tf.images.source import (
    MAX_PIXELS,
    Source,
    check_decodable,
    check_installed,
    explained,
)
from tnet_tf.images.tiff_page import TiffLevel
from tnet_tf.images.tiff_pyramid import first_page, pixel_size, pyramid

if TYPE_CHECKING:
    from tifffile import TiffFile

_HEADER_BLOCK = 2**14
_GEO_KEYS_TAG = 34735


class TiffSource(Source):
    """A TIFF file's first image, and the smaller sizes of it that the file holds.

    Nothing is kept of what was decoded. One open file serves all threads, since each read names its
    place.

    Args:
      path: on a local disk.
      bands: numbers of bands, from 0 on, see `tnet_tf.images.tiff_colours`; what one sees without.
      max_pixels: of a tile or strip.

    Raises:
      UserError: it is no TIFF, cut off, of a kind that can't be read, or its strips are too large;
        or packages are missing.
    """

    def __init__(
        self, path: str | Path, bands: Sequence[int] | None = None, max_pixels: int = MAX_PIXELS
    ):
        name = str(path)
        check_installed(name, "tiff", "tifffile", "imagecodecs")
        spent: list[int] = []
        with explained(name):
            self._file = _counted(path, spent.append)
        try:
            with explained(name):
                self._levels, self.pixel_size = self._open(name, bands)
                first = self._levels[0]
                super().__init__(
                    name,
                    [level.size for level in self._levels],
                    [level.tile for level in self._levels],
                    first.bands.number,
                    first.bands.dtype,
                )
                self._check(max_pixels)
        except BaseException:
            self._file.close()
            raise
        self._spend(len(spent), sum(spent))

    def _open(
        self, name: str, bands: Sequence[int] | None
    ) -> tuple[list[TiffLevel], tuple[float, float] | None]:
        import tifffile

        _silence()
        file: TiffFile = tifffile.TiffFile(self._file)
        levels = [TiffLevel(name, pages, bands) for pages in pyramid(file)]
        return levels, pixel_size(first_page(file))

    def _check(self, max_pixels: int) -> None:
        """Raises `UserError` where something is missing, or too large to be decoded at once."""
        length = os.fstat(self._file.fileno()).st_size
        for level, tile in zip(self._levels, self.tiles, strict=True):
            cure = "save it with smaller tiles, such as by vips tiffsave IN OUT --tile --pyramid"
            check_decodable(self.name, "it has tiles or strips of", tile, max_pixels, cure)
            if level.end > length:
                raise UserError(
                    f"{one_line(self.name)}: it is cut off: its pixels end at byte {level.end}, "
                    f"the file at {length}"
                )

    def _read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        window = Window(top, left, height, width)
        return self._levels[level].read(self._file.fileno(), window, self._spend)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def has_map_coordinates(path: str) -> bool:
    """Whether a TIFF file says where on the Earth it lies.

    Raises:
      UserError: it is no TIFF, or packages are missing.
    """
    check_installed(path, "tiff", "tifffile", "imagecodecs")
    import tifffile

    _silence()
    with explained(path), tifffile.TiffFile(path) as file:
        return _GEO_KEYS_TAG in first_page(file).tags


class _CountedFile(io.FileIO):
    """A file that tells how many bytes each read brought."""

    spend: Callable[[int], None]

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self.spend(count or 0)
        return count


def _counted(path: str | Path, spend: Callable[[int], None]) -> io.BufferedReader:
    file = _CountedFile(path, "rb")
    file.spend = spend
    return io.BufferedReader(file, _HEADER_BLOCK)


def _silence() -> None:
    """What tifffile logs of damaged files is told by our own messages, unless it is asked for."""
    logger = logging.getLogger("tifffile")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)

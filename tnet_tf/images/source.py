"""What each kind of image file has in common: windows of pixels, read when they are asked for."""

import abc
import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError, first_line, one_line

MAX_PIXELS = DataConfig().max_pixels
"""Of what is decoded at once: a plain file, or a tile or strip of others."""


class Size(NamedTuple):
    """Of an image, a level of it, or a tile."""

    height: int
    """In pixels."""
    width: int
    """In pixels."""


class Georeference(NamedTuple):
    """Where on the Earth an image lies."""

    transform: tuple[float, float, float, float, float, float]
    """(a, b, c, d, e, f): the corner of pixels at row y, column x is at (a x + b y + c,
    d x + e y + f)."""
    crs: str
    """The coordinate reference system, such as 'EPSG:32633'; '' where the file does not say."""


class Source(abc.ABC):
    """An image whose pixels are read by windows, from any number of threads at once.

    A *level* is the image at one of its sizes: level 0 is the file's own, the others are smaller
    ones that the file holds, or that are cheaper to decode. Windows must not reach past a level:
    who looks there pads (see `tnet_tf.images.view`).

    Attributes:
      name: of the file, as the user gave it.
      levels: size of each level, upright, from the largest to the smallest.
      tiles: of each level, the size of what is decoded at once.
      bands: of each pixel.
      dtype: of the pixels: bool, an integer or a float.
      pixel_size: height and width of a pixel of level 0 in micrometres; None where unknown.
      georeference: None where the file says nothing.
    """

    pixel_size: tuple[float, float] | None = None
    georeference: Georeference | None = None

    def __init__(
        self, name: str, levels: list[Size], tiles: list[Size], bands: int, dtype: np.dtype
    ):
        self.name = name
        self.levels, self.tiles = tuple(levels), tuple(tiles)
        self.bands, self.dtype = bands, dtype
        self._spent_lock = threading.Lock()
        self._requests = self._bytes_read = 0

    @property
    def size(self) -> Size:
        """Of the upright image at level 0."""
        return self.levels[0]

    @property
    def bytes_read(self) -> int:
        """Of the file, so far, its header's included."""
        return self._bytes_read

    @property
    def requests(self) -> int:
        """Reads of the file so far: of a URL, requests to its server."""
        return self._requests

    def window(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Pixels of a rectangle of a level.

        Args:
          level: index into `levels`.
          top: its first row, in the level's pixels.
          left: its first column.
          height: in pixels, at least 1.
          width: in pixels, at least 1.

        Returns:
          (height, width, bands) of `dtype`; may be a view of what the source keeps.

        Raises:
          UserError: the file is cut off or damaged there, or can't be reached any more.
          ValueError: the rectangle reaches past the level.
        """
        whole = self.levels[level]
        inside = 0 <= top < top + height <= whole.height and 0 <= left < left + width <= whole.width
        if not inside:
            raise ValueError(f"{(top, left, height, width)} is not within a level of {whole}")
        with explained(self.name):
            return self._read(level, top, left, height, width)

    @abc.abstractmethod
    def _read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """`window`, of a rectangle within the level."""

    def close(self) -> None:  # noqa: B027
        """Closes the file; nothing can be read any more."""

    def _spend(self, requests: int, bytes_read: int) -> None:
        with self._spent_lock:
            self._requests += requests
            self._bytes_read += bytes_read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
    """Turns whatever a library raises at a damaged file into a `UserError` that names the file."""
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{one_line(name)}: it does not fit into memory") from error
    except Exception as error:  # Decoders raise anything from SyntaxError to struct.error.
        raise UserError(f"{one_line(name)}: {_reason(name, error)}") from error


def _reason(name: str, error: Exception) -> str:
    # rasterio says what happened in the exception before.
    said = one_line(first_line(error.__cause__ or error))
    if "://" in name:
        return f"it can't be reached or is damaged ({said})"
    # Pillow's own message repeats the path.
    if "cannot identify image file" in said:
        return "it is damaged at its beginning"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"it is cut off or damaged ({said})"


def check_installed(name: str, extra: str, *packages: str) -> None:
    """Checks that what a kind of file needs is there.

    Raises:
      UserError: a package is missing; the line says how to install it.
    """
    if any(importlib.util.find_spec(package) is None for package in packages):
        raise UserError(
            f"{one_line(name)}: it needs packages that are not installed; "
            f"run: pip install -e '.[{extra}]'"
        )


def check_decodable(name: str, what: str, size: Size, max_pixels: int, cure: str) -> None:
    """Checks that something which is decoded at once is not too large.

    Raises:
      UserError: it has more than `max_pixels`.
    """
    if size.height * size.width > max_pixels:
        raise UserError(
            f"{one_line(name)}: {what} {size.height} x {size.width} pixels, more than the "
            f"{max_pixels} that are decoded at once (--max_pixels); {cure}"
        )

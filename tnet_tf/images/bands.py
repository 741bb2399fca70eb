"""Bands of a file's pixels as one sees them, or those that are asked for."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tnet_tf.errors import UserError, one_line


class Bands(NamedTuple):
    """What is read of the samples that a file stores for each pixel.

    Attributes:
      samples: numbers of those that are needed, from 0 on; may be repeated.
      convert: makes of these, (h, w, samples), what is read, (h, w, number).
      number: of bands that are read.
      dtype: of what is read.
    """

    samples: tuple[int, ...]
    convert: Callable[[np.ndarray], np.ndarray]
    number: int
    dtype: np.dtype


def choose(name: str, bands: Sequence[int], count: int) -> tuple[int, ...]:
    """The bands that are asked for, if a file has them.

    Args:
      name: of the file.
      bands: numbers from 0 on; may be repeated.
      count: of the file's bands.

    Raises:
      UserError: the file has too few, or none is asked for.
    """
    if not bands or min(bands) < 0 or max(bands) >= count:
        asked, has = ",".join(map(str, bands)), ",".join(map(str, range(count)))
        raise UserError(f"{one_line(name)}: --bands={asked} must be of those that it has: {has}")
    return tuple(bands)


def as_stored(bands: tuple[int, ...], dtype: np.dtype) -> Bands:
    """Samples as they are."""
    return Bands(bands, lambda pixels: pixels, len(bands), dtype)


def visible(
    count: int, dtype: np.dtype, rgb: bool, alpha: int | None, premultiplied: bool
) -> Bands:
    """What one sees of a file that is grey or RGB, as three bands; of others, all bands.

    Args:
      count: of the samples of each pixel.
      dtype: of the samples.
      rgb: whether the first three are red, green and blue.
      alpha: which sample says how opaque the pixel is, if any does; such pixels lie on white.
      premultiplied: whether the others are multiplied by it already.
    """
    grey = count - (alpha is not None) == 1
    if not rgb and not grey:
        return as_stored(tuple(range(count)), dtype)
    colours = (0, 1, 2) if rgb else (0, 0, 0)
    if alpha is None or dtype.kind != "u":
        return as_stored(colours, dtype)

    def convert(pixels: np.ndarray) -> np.ndarray:
        return on_white(pixels[..., :3], pixels[..., 3], premultiplied)

    return Bands((*colours, alpha), convert, 3, dtype)


def on_white(pixels: np.ndarray, alpha: np.ndarray, premultiplied: bool = False) -> np.ndarray:
    """Pixels on a white ground, where they are transparent.

    Args:
      pixels: (h, w, c) of an unsigned integer type.
      alpha: (h, w) of the same type.
      premultiplied: whether the pixels are multiplied by alpha already.

    Returns:
      (h, w, c) of the same type.
    """
    most = np.iinfo(pixels.dtype).max
    if (alpha == most).all():
        return pixels
    opaque = alpha[..., np.newaxis].astype(np.float64) / most
    seen = pixels if premultiplied else pixels * opaque
    return np.minimum(np.rint(seen + (1 - opaque) * most), most).astype(pixels.dtype)


def from_palette(colours: np.ndarray) -> Bands:
    """Samples that are numbers of colours, to RGB.

    Args:
      colours: (n, 3) uint8.
    """

    def convert(pixels: np.ndarray) -> np.ndarray:
        return colours[np.minimum(pixels[..., 0], len(colours) - 1)]

    return Bands((0,), convert, 3, np.dtype(np.uint8))


def from_cmyk(dtype: np.dtype) -> Bands:
    """Cyan, magenta, yellow and black, of an unsigned integer type, to RGB."""
    most = np.iinfo(dtype).max

    def convert(pixels: np.ndarray) -> np.ndarray:
        light = 1 - pixels.astype(np.float64) / most
        return np.rint(light[..., :3] * light[..., 3:] * most).astype(dtype)

    return Bands((0, 1, 2, 3), convert, 3, dtype)


def some_of(name: str, read: Bands, bands: Sequence[int] | None) -> Bands:
    """Those of the bands that others are converted to, which are asked for.

    Raises:
      UserError: see `choose`.
    """
    if bands is None:
        return read
    these = choose(name, bands, read.number)
    return read._replace(convert=lambda pixels: read.convert(pixels)[..., these], number=len(these))


def of_full_range(read: Bands, bits: int, inverted: bool = False) -> Bands:
    """Samples of 4 or 12 bits, say, brought to the range of their type, and black made 0.

    Args:
      read: what is read of the samples.
      bits: that a sample has.
      inverted: whether white is 0.
    """
    if read.dtype.kind != "u":
        return _after(read, np.invert) if inverted else read
    most, highest = np.iinfo(read.dtype).max, 2**bits - 1
    if highest >= most:
        return _after(read, np.invert) if inverted else read

    def scaled(pixels: np.ndarray) -> np.ndarray:
        full = np.rint(pixels * (most / highest)).astype(pixels.dtype)
        return np.invert(full) if inverted else full

    return _after(read, scaled)


def _after(read: Bands, change: Callable[[np.ndarray], np.ndarray]) -> Bands:
    return read._replace(convert=lambda pixels: read.convert(change(pixels)))

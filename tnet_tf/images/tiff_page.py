"""One level of a TIFF file: its tiles or strips, decoded when a window needs them."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tnet_tf.errors import UserError, one_line
from tnet_tf.images.orientation import ORIENTATIONS, Window
from tnet_tf.images.source import Size
from tnet_tf.images.tiff_colours import page_bands

if TYPE_CHECKING:
    from tifffile import TiffPage

_ORIENTATION_TAG = 274
Spend = Callable[[int, int], None]


class TiffLevel:
    """Windows of one or several pages of a size, whose samples lie beside each other.

    All that tifffile finds out late is found out here, before threads share it.

    Args:
      name: of the file, for messages.
      pages: of one size and kind: one, or one for each channel.
      bands: that are asked for; what one sees without.

    Attributes:
      size: of the upright image.
      tile: size of what is decoded at once.
      bands: of what is read.
      end: one past the last byte of the file that belongs to it.

    Raises:
      UserError: it is of a kind that can't be read.
    """

    def __init__(self, name: str, pages: "Sequence[TiffPage]", bands: Sequence[int] | None):
        first = pages[0]
        self._name, self._pages = name, pages
        _check(name, first)
        turned = first.tags.valueof(_ORIENTATION_TAG, 1)
        self._orientation = ORIENTATIONS.get(turned, ORIENTATIONS[1])
        self._stored = Size(first.imagelength, first.imagewidth)
        rows = min(first.rowsperstrip or first.imagelength, first.imagelength)
        self._tile = (
            Size(first.tilelength, first.tilewidth)
            if first.is_tiled
            else Size(rows, first.imagewidth)
        )
        self._across = -(-self._stored.width // self._tile.width)
        self._segments = self._across * -(-self._stored.height // self._tile.height)
        self._separate = first.planarconfig == 2 and first.samplesperpixel > 1
        self._together = 1 if self._separate else first.samplesperpixel
        samples = first.samplesperpixel * len(pages)
        self.bands = page_bands(name, first, samples, bands)
        self._copies = _copies(self.bands.samples, self._together)
        self.size = self._orientation.size(self._stored)
        self.tile = self._orientation.size(self._tile)
        self._offsets = [np.asarray(page.dataoffsets, np.int64) for page in pages]
        self._lengths = [np.asarray(page.databytecounts, np.int64) for page in pages]
        self._decoders = [(page.decode, _decoder_arguments(page)) for page in pages]
        self.end = max(map(self._end, range(len(pages))))

    def _end(self, number: int) -> int:
        """Where the file needs to end at the earliest, for a page."""
        offsets, lengths = self._offsets[number], self._lengths[number]
        wanted = self._segments * (self._pages[number].samplesperpixel if self._separate else 1)
        if len(offsets) < wanted or len(lengths) < wanted:
            raise UserError(
                f"{one_line(self._name)}: it is cut off or damaged (it names {len(offsets)} tiles "
                f"or strips where {wanted} are needed)"
            )
        return int((offsets + lengths)[lengths > 0].max(initial=0))

    def read(self, descriptor: int, window: Window, spend: Spend) -> np.ndarray:
        """Pixels of a window, as `tnet_tf.images.source.Source.window`.

        Args:
          descriptor: of the open file; its position is neither used nor moved, so that threads
            may share it.
          window: of the upright level.
          spend: is told of each read, 1 and the bytes that were read.
        """
        stored = self._orientation.stored(window, self.size)
        shape = (stored.height, stored.width, len(self.bands.samples))
        raw = np.zeros(shape, self._pages[0].dtype)
        bottom, right = stored.top + stored.height, stored.left + stored.width
        height, width = self._tile
        for row in range(stored.top // height, -(-bottom // height)):
            for column in range(stored.left // width, -(-right // width)):
                top, left = row * height - stored.top, column * width - stored.left
                place = raw[max(0, top) : top + height, max(0, left) : left + width]
                for plane, ours, theirs in self._copies:
                    index = row * self._across + column
                    tile = self._segment(descriptor, plane, index, spend)
                    part = tile[max(0, -top) :, max(0, -left) :][: place.shape[0], : place.shape[1]]
                    place[..., ours] = part[..., theirs]
        return self._orientation.upright(self.bands.convert(raw))

    def _segment(self, descriptor: int, plane: int, index: int, spend: Spend) -> np.ndarray:
        """A decoded tile or strip (h, w, samples stored together), no larger than the level."""
        number, within = divmod(plane, self._pages[0].samplesperpixel if self._separate else 1)
        segment = within * self._segments + index
        offset, length = int(self._offsets[number][segment]), int(self._lengths[number][segment])
        decode, arguments = self._decoders[number]
        if not length:  # Left out: empty.
            page = self._pages[number]
            return np.full((*self._tile, self._together), page.nodata, page.dtype)
        encoded = os.pread(descriptor, length, offset)
        spend(1, len(encoded))
        if len(encoded) < length:
            raise ValueError(f"{length} bytes at {offset} reach past its end")
        return decode(encoded, segment, **arguments)[0][0]


def _copies(samples: tuple[int, ...], together: int) -> list[tuple[int, Any, Any]]:
    """From which planes samples come: number of the plane, places in the result, and in it."""
    copies: list[tuple[int, Any, Any]] = []
    for plane in sorted({sample // together for sample in samples}):
        ours = [place for place, sample in enumerate(samples) if sample // together == plane]
        theirs = [samples[place] % together for place in ours]
        if ours == theirs == list(range(len(samples))):  # Slices are copied faster.
            copies.append((plane, slice(None), slice(len(samples))))
        else:
            copies.append((plane, ours, theirs))
    return copies


def _decoder_arguments(page: "TiffPage") -> dict[str, bytes | None]:
    return {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}


def _check(name: str, page: "TiffPage") -> None:
    """Raises `UserError` where a page is of a kind that can't be read."""
    kind = "" if page.dtype is None else page.dtype.kind
    if kind not in ("b", "u", "i") or isinstance(page.bitspersample, tuple):
        what = f"its pixels are {page.dtype or 'of an unknown type'}"
        raise UserError(f"{one_line(name)}: {what}; save it with integers of 8 or 16 bits")
    if page.imagedepth != 1 or not page.imagelength or not page.imagewidth:
        shape = (page.imagedepth, page.imagelength, page.imagewidth)
        raise UserError(f"{one_line(name)}: its shape {shape} must be (1, height, width), none 0")
    if page.is_tiled and not (page.tilelength and page.tilewidth):
        raise UserError(f"{one_line(name)}: it is damaged (its tiles have no size)")

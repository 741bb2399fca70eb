"""Windows of images that are stored turned or mirrored, as EXIF and TIFF number it (1 to 8)."""

from typing import NamedTuple

import numpy as np

from tnet_tf.images.source import Size


class Window(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int


class Orientation(NamedTuple):
    """How a stored image becomes upright: rows and columns change places, then each is reversed."""

    transposed: bool
    rows_reversed: bool
    columns_reversed: bool

    def size(self, size: Size) -> Size:
        """Of the upright image if it is given for the stored one, and the other way round."""
        return Size(size.width, size.height) if self.transposed else size

    def stored(self, window: Window, upright: Size) -> Window:
        """Where a window of an upright image of this size is stored."""
        top, left, height, width = window
        top = upright.height - top - height if self.rows_reversed else top
        left = upright.width - left - width if self.columns_reversed else left
        return (
            Window(left, top, width, height)
            if self.transposed
            else Window(top, left, height, width)
        )

    def upright(self, pixels: np.ndarray) -> np.ndarray:
        """Stored pixels (h, w, bands) as they are seen."""
        pixels = pixels.transpose(1, 0, 2) if self.transposed else pixels
        return pixels[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]


ORIENTATIONS = {
    1: Orientation(False, False, False),
    2: Orientation(False, False, True),
    3: Orientation(False, True, True),
    4: Orientation(False, True, False),
    5: Orientation(True, False, False),
    6: Orientation(True, False, True),
    7: Orientation(True, True, True),
    8: Orientation(True, True, False),
}
"""By their numbers in files."""

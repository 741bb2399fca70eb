"""Rectangles of an image to look at, and where the samples of a view of them lie."""

from typing import NamedTuple, Protocol

from tnet_tf.images.samples import Samples


class Region(Protocol):
    """What a view is taken of."""

    def samples(
        self, resolution: tuple[int, int], size: tuple[int, int]
    ) -> tuple[Samples, Samples]:
        """Rows and columns of a view of this height and width, of an image of that size."""


class Rectangle(NamedTuple):
    """A rectangle that is shared out among the samples, as TNet's regions are (paper 3.1).

    Each sample lies at the centre of its part, and no sample reaches past the rectangle, as in
    `tnet_tf.layers.pixels.taps`.
    """

    top: float
    """First row, in pixels; may lie outside of the image."""
    left: float
    """First column."""
    height: float
    """In pixels."""
    width: float
    """In pixels."""
    bounds: tuple[float, float, float, float] | None = None
    """(top, left, bottom, right) within the image: pixels beyond are zero; None for all of it."""

    def samples(
        self, resolution: tuple[int, int], size: tuple[int, int]
    ) -> tuple[Samples, Samples]:
        """See `Region`."""
        top, left, bottom, right = self.bounds or (0, 0, *size)
        return (
            _of_parts(self.top, self.height, resolution[0], (top, bottom)),
            _of_parts(self.left, self.width, resolution[1], (left, right)),
        )


class Corners(NamedTuple):
    """The places of the outermost samples, as MGNet's glimpses have them (MGNet paper, 3.1).

    0 and 1 are the centres of the image's first and last pixel, as in `tnet_tf.layers.glimpses`.
    """

    top: float
    """0 to 1."""
    left: float
    """0 to 1."""
    bottom: float
    """0 to 1."""
    right: float
    """0 to 1."""

    def samples(
        self, resolution: tuple[int, int], size: tuple[int, int]
    ) -> tuple[Samples, Samples]:
        """See `Region`."""
        return (
            _end_to_end(self.top, self.bottom, resolution[0], size[0]),
            _end_to_end(self.left, self.right, resolution[1], size[1]),
        )


def whole(size: tuple[int, int]) -> Rectangle:
    """All of an image of this height and width."""
    return Rectangle(0, 0, *size)


def _of_parts(start: float, extent: float, count: int, bounds: tuple[float, float]) -> Samples:
    step = extent / count
    return Samples(start + step / 2 - 0.5, step, count, start, start + extent - 1, bounds)


def _end_to_end(first: float, last: float, count: int, side: int) -> Samples:
    first, last = first * (side - 1), last * (side - 1)
    if count == 1:  # The middle, as in TensorFlow's kernel.
        return Samples((first + last) / 2, last - first, 1, 0, side - 1, (0, side))
    return Samples(first, (last - first) / (count - 1), count, 0, side - 1, (0, side))

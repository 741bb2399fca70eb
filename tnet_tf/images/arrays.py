"""Images that are arrays in memory."""

from collections.abc import Sequence

import numpy as np

from tnet_tf.errors import UserError
from tnet_tf.images.source import Size, Source

# Windows of arrays cost nothing; what is computed from them grows with their size.
_TILE = 1024


def array_tiles(levels: Sequence[Size]) -> list[Size]:
    """How much of levels that are arrays is looked at at once."""
    return [Size(min(_TILE, size.height), min(_TILE, size.width)) for size in levels]


class ArraySource(Source):
    """NumPy arrays, and memory-mapped ones.

    Args:
      pixels: (height, width, bands) or (height, width), bool, integer, or float in [-1, 1].
      smaller: the same at smaller sizes, from the largest to the smallest.
      name: for messages.

    Raises:
      UserError: an array has another shape, or no numbers.
    """

    def __init__(self, pixels: np.ndarray, smaller: Sequence[np.ndarray] = (), name: str = "array"):
        self._arrays = [
            array[..., np.newaxis] if array.ndim == 2 else array for array in (pixels, *smaller)
        ]
        first = self._arrays[0]
        for array in self._arrays:
            if array.ndim != 3 or not array.size or array.shape[2] != first.shape[2]:
                raise UserError(
                    f"{name}: its shape {array.shape} must be (height, width, bands), none 0"
                )
            if array.dtype.kind not in "buif":
                raise UserError(f"{name}: its type {array.dtype} must be of integers or floats")
        levels = [Size(*array.shape[:2]) for array in self._arrays]
        super().__init__(name, levels, array_tiles(levels), first.shape[2], first.dtype)

    def _read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self._arrays[level][top : top + height, left : left + width]

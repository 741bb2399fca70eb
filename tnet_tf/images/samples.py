"""Where the samples of a view lie along one axis, and which pixels each one is the sum of.

A *place* is a number of a pixel, not always whole: 0 is the centre of the first pixel.
"""

from typing import NamedTuple

import numpy as np

_ROUNDING = 1e-9


class Samples(NamedTuple):
    """Evenly spaced places along one axis."""

    first: float
    """Place of the first sample."""
    step: float
    """From one sample to the next, in pixels."""
    number: int
    """Of samples."""
    lowest: float
    """Places before this one are moved to it, so that edges are repeated."""
    highest: float
    """Places after this one are moved to it."""
    bounds: tuple[float, float]
    """Pixels before the first and from the second on count nothing."""

    def on_level(self, scale: float) -> "Samples":
        """The same samples of an image whose side is `scale` times as long."""
        return self._replace(
            first=(self.first + 0.5) * scale - 0.5,
            step=self.step * scale,
            lowest=self.lowest * scale,
            highest=(self.highest + 1) * scale - 1,
            bounds=(self.bounds[0] * scale, self.bounds[1] * scale),
        )


class Taps(NamedTuple):
    """The pixels that each of n samples along an axis is the weighted sum of, k neighbours each."""

    first: np.ndarray
    """(n,) int64, not falling: the first of its k pixels; these may lie outside of the image."""
    weights: np.ndarray
    """(n, k) float32."""


def taps(samples: Samples, average: bool) -> Taps:
    """The pixels of each sample, and their weights.

    A sample is the mean of what lies under a window around its place: of one pixel, which is the
    same as bilinear interpolation, or if it averages, of as many as lie between samples.

    Args:
      samples: of one axis.
      average: whether pixels between samples count; else they are left out, as in the papers.
    """
    window = max(samples.step, 1.0) if average else 1.0
    places = samples.first + samples.step * np.arange(samples.number)
    centres = np.clip(places, samples.lowest, max(samples.lowest, samples.highest)) + 0.5
    # Rounding must not add a pixel that weighs nothing: it would have to be read.
    first = np.floor(centres - window / 2 + _ROUNDING).astype(np.int64)
    last = np.ceil(centres + window / 2 - _ROUNDING).astype(np.int64)
    pixels = first[:, np.newaxis] + np.arange(max(1, int((last - first).max())))
    ends = centres[:, np.newaxis] + np.array([-window / 2, window / 2])
    share = _overlap(pixels, ends[:, :1], ends[:, 1:]) / window
    weights = share * _overlap(pixels, *samples.bounds)
    return Taps(first, weights.astype(np.float32))


def _overlap(pixels: np.ndarray, start: np.ndarray | float, end: np.ndarray | float) -> np.ndarray:
    """How much of each pixel lies between two places, where pixel 0 reaches from 0 to 1."""
    return np.clip(np.minimum(pixels + 1, end) - np.maximum(pixels, start), 0, 1)

"""The glimpse generator: regions by an affine vector, sampled with gradients (MGNet paper, 3.1).

An affine vector (scale, x, y) names a region: its side as a fraction of the image's, and its centre
in -1 .. 1, where -1 and 1 are the centres of the first and the last pixel (eq. 1). A glimpse is the
region sampled at the base resolution, its first and last samples on the region's ends.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tnet_tf.layers import runtime
from tnet_tf.layers.grid import ImageSize
from tnet_tf.layers.pixels import Tap, gather_bilinear, image_size, to_symmetric

# The kernel reads nothing where rounding has put the last sample outside of the image.
_LAST = 1 - 2e-7


class Regions(NamedTuple):
    """A region of each of n images.

    Attributes:
      affine: (n, 3) float32, inside of the images.
      whole: whether all are known to be the images whole.
    """

    affine: tf.Tensor
    whole: bool = False


def whole_image(count: tf.Tensor) -> tf.Tensor:
    """The identity transformation: (count, 3) affine vectors of the first glimpse."""
    return tf.tile([[1.0, 0.0, 0.0]], [count, 1])


def sample(images: tf.Tensor, regions: Regions, resolution: tuple[int, int]) -> tf.Tensor:
    """The glimpses of regions, see `sample_whole` and `sample_glimpses`."""
    if regions.whole:
        return sample_whole(images, resolution)
    return sample_glimpses(images, regions.affine, resolution)


def sample_glimpses(images: tf.Tensor, affine: tf.Tensor, resolution: tuple[int, int]) -> tf.Tensor:
    """Samples a region of every image, bilinear, without anti-aliasing (eq. 2).

    Gradients flow into images and affine vectors. Reads at most 4 pixels for each one of the
    result, so cost does not grow with the image.

    Args:
      images: (n, H, W, C), float in [-1, 1], or uint8 in 0 .. 255.
      affine: (n, 3) float32, regions inside of the image; of those that are no numbers, as in a
        network that has diverged, the samples are NaN, too.
      resolution: height and width (h, w) to sample at.

    Returns:
      (n, h, w, C) float32 in [-1, 1].
    """
    corners = _corners(affine)
    if runtime.current() == runtime.OTHER:
        height, width = image_size(images)
        rows = _taps(corners[:, 0], corners[:, 2], resolution[0], height)
        columns = _taps(corners[:, 1], corners[:, 3], resolution[1], width)
        return gather_bilinear(images, tf.range(tf.shape(images)[0]), rows, columns)
    numbers, unknown = tf.range(tf.shape(images)[0]), tf.reduce_any(tf.math.is_nan(corners), axis=1)
    # The kernel fails where it is given a NaN.
    known = tf.where(unknown[:, tf.newaxis], 0.0, corners)
    views = tf.image.crop_and_resize(images, known, numbers, resolution)
    views = tf.where(tf.reshape(unknown, (-1, 1, 1, 1)), np.nan, views)
    return views / 127.5 - 1.0 if images.dtype == tf.uint8 else views


def sample_whole(images: tf.Tensor, resolution: tuple[int, int]) -> tf.Tensor:
    """`sample_glimpses` of the whole images; they are left as they are where that is the same."""
    if tuple(images.shape[1:3]) == resolution:
        return to_symmetric(images)
    return sample_glimpses(images, whole_image(tf.shape(images)[0]), resolution)


def boxes(affine: tf.Tensor, size: ImageSize) -> tf.Tensor:
    """What a region covers, its outermost pixels whole.

    Args:
      affine: (n, .., 3).
      size: height and width of the images, of all or (n,) of each.

    Returns:
      (.., 4) float32 boxes (y_min, x_min, y_max, x_max), fractions of the image side in [0, 1].
    """
    height, width = size
    sides = tf.cast(tf.stack([height, width, height, width], axis=-1), tf.float32)
    if sides.shape.rank == 2:
        sides = tf.reshape(sides, (-1, *[1] * (affine.shape.rank - 2), 4))
    pixel = tf.constant([0.0, 0.0, 1.0, 1.0])
    return (_corners(affine) * (sides - 1) + pixel) / sides


def _corners(affine: tf.Tensor) -> tf.Tensor:
    """First and last sample (y, x, y, x), (.., 4), where the image's pixel centres span 0 .. 1."""
    scale, x, y = tf.unstack(affine, axis=-1)
    ends = [y - scale, x - scale, y + scale, x + scale]
    return tf.clip_by_value((tf.stack(ends, axis=-1) + 1) / 2, 0.0, _LAST)


def _taps(first: tf.Tensor, last: tf.Tensor, resolution: int, side: int | tf.Tensor) -> list[Tap]:
    """The two pixels beside each sample along one axis, and what they weigh."""
    # Of a single sample, the middle, as in the kernel.
    share = tf.linspace(0.0, 1.0, resolution) if resolution > 1 else tf.constant([0.5])
    span = tf.cast(side - 1, tf.float32)
    places = (first[:, tf.newaxis] * (1 - share) + last[:, tf.newaxis] * share) * span
    lower = tf.floor(places)
    pixels = tf.cast(lower, tf.int32)
    return [(pixels, 1 - (places - lower)), (pixels + 1, places - lower)]

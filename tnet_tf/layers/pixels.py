"""Reading pixels of images in memory: regions at the base resolution (paper 3.1).

Pixels are read once, when a region is looked at, and only the ones that its resolution needs, so
cost does not grow with the image.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from tnet_tf.layers import runtime
from tnet_tf.layers.grid import ImageSize, Regions, Size

# Pixels along one axis and their weights.
Tap: TypeAlias = tuple[tf.Tensor, tf.Tensor]


def image_size(images: tf.Tensor) -> ImageSize:
    """Height and width of (n, H, W, C) images, as numbers where they are known in advance."""
    dynamic = tf.shape(images)
    height, width = images.shape[1], images.shape[2]
    return (dynamic[1] if height is None else height), (dynamic[2] if width is None else width)


def crop_and_resize(images: tf.Tensor, regions: Regions, resolution: tuple[int, int]) -> tf.Tensor:
    """Reads regions at the base resolution: bilinear, half-pixel centres, no anti-aliasing.

    Reads at most 4 pixels for each one of the result, and copies no image. Where TensorFlow's own
    kernel does the work, places are right to 1e-7 of the image's side.

    Args:
      images: (n, H, W, C), float in [-1, 1], or uint8 in 0 .. 255.
      regions: m regions of these images.
      resolution: height and width (h, w) to read at.

    Returns:
      (m, h, w, C) float32 in [-1, 1]; 0 outside the bounds of a region.
    """
    height, width = resolution
    # The kernel takes a third of the time, but knows neither bounds nor edges to repeat.
    edges = regions.padded | (regions.height < height) | (regions.width < width)
    as_they_are = _same(regions.height, height) and _same(regions.width, width)
    if runtime.current() == runtime.OTHER or as_they_are or edges is True:
        return _gathered(images, regions, resolution)
    if edges is False:
        return _cropped(images, regions, resolution)
    return tf.cond(
        edges,
        lambda: _gathered(images, regions, resolution),
        lambda: _cropped(images, regions, resolution),
    )


def to_symmetric(images: tf.Tensor) -> tf.Tensor:
    """Pixels as float32 in [-1, 1]; uint8 is scaled, float is taken to be in that range."""
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    return tf.cast(images, tf.float32)


def to_uint8(images: Any) -> np.ndarray:
    """Float pixels in [-1, 1] as new uint8 ones in 0 .. 255."""
    return np.rint((np.clip(np.asarray(images, np.float32), -1, 1) + 1) * 127.5).astype(np.uint8)


def _cropped(images: tf.Tensor, regions: Regions, resolution: tuple[int, int]) -> tf.Tensor:
    """`crop_and_resize` of regions that need no pixels but their own, by one kernel."""
    height, width = image_size(images)
    y_first, y_last = _ends(regions.top, regions.height, resolution[0], height)
    x_first, x_last = _ends(regions.left, regions.width, resolution[1], width)
    corners = tf.stack([y_first, x_first, y_last, x_last], axis=1)
    views = tf.image.crop_and_resize(images, corners, regions.image, resolution)
    return views / 127.5 - 1.0 if images.dtype == tf.uint8 else views


def _ends(start: tf.Tensor, size: Size, resolution: int, side: Size) -> tuple[tf.Tensor, tf.Tensor]:
    """First and last place to read along one axis, (m,), where the image's centres span 0 .. 1."""
    span = tf.cast(tf.maximum(side - 1, 1), tf.float64)
    extent = tf.cast(size, tf.float64)
    first = tf.cast(start, tf.float64) + (extent / resolution - 1) / 2
    last = first + extent * (resolution - 1) / resolution
    # Rounding must not put the last place outside of the image, where the kernel reads nothing.
    last = tf.minimum(last / span, 1 - 4e-7)
    return tf.cast(first / span, tf.float32), tf.cast(last, tf.float32)


def _gathered(images: tf.Tensor, regions: Regions, resolution: tuple[int, int]) -> tf.Tensor:
    """`crop_and_resize` of any regions, pixel by pixel."""
    rows = taps(regions.top, regions.height, resolution[0], regions.bounds[:, 0::2])
    columns = taps(regions.left, regions.width, resolution[1], regions.bounds[:, 1::2])
    return gather_bilinear(images, regions.image, rows, columns)


def gather_bilinear(
    images: tf.Tensor, image: tf.Tensor, rows: Sequence[Tap], columns: Sequence[Tap]
) -> tf.Tensor:
    """Sums of pixels, each with the product of its row's and its column's weight.

    Args:
      images: (n, H, W, C), float in [-1, 1], or uint8 in 0 .. 255.
      image: (m,) int32, the image that each of the m results is read from.
      rows: taps, each a pair of pixels (m, h) int32 and weights (m, h) float32.
      columns: taps, the same with (m, w).

    Returns:
      (m, h, w, C) float32; pixels of uint8 images are brought to [-1, 1].
    """
    height, width = image_size(images)
    resolution, channels = (rows[0][0].shape[1], columns[0][0].shape[1]), images.shape[-1]
    flat = tf.reshape(images, (-1, channels))
    views = 0.0
    for row, row_weights in rows:
        line = image[:, tf.newaxis] * height + tf.clip_by_value(row, 0, height - 1)
        line = tf.cast(line, tf.int64) * tf.cast(width, tf.int64)
        lines = 0.0
        for column, column_weights in columns:
            place = tf.cast(tf.clip_by_value(column, 0, width - 1), tf.int64)
            pixels = to_symmetric(tf.gather(flat, line[:, :, tf.newaxis] + place[:, tf.newaxis]))
            # Width and channels stay one axis: long contiguous rows are several times faster.
            pixels = tf.reshape(pixels, (-1, resolution[0], resolution[1] * channels))
            lines += pixels * tf.repeat(column_weights, channels, axis=1)[:, tf.newaxis]
        views += lines * row_weights[:, :, tf.newaxis]
    return tf.reshape(views, (-1, *resolution, channels))


def _same(size: Size, resolution: int) -> bool:
    """Whether a side is known to be read as it is."""
    return isinstance(size, int) and size == resolution


def taps(start: tf.Tensor, size: Size, resolution: int, bounds: tf.Tensor) -> list[Tap]:
    """Pixels to add up along one axis: bilinear, half-pixel centres, edges repeated.

    Args:
      start: (m,) int32, the first pixel of each of m regions.
      size: of the regions, in pixels, of all or (m,) of each.
      resolution: samples along the axis.
      bounds: (m, 2) int32, pixels before the first and from the last on count nothing.

    Returns:
      Two taps, or one where regions are read as they are, each of
      pixels: (m, resolution) int32.
      weights: (m, resolution) float32.
    """
    if _same(size, resolution):
        offsets = [(tf.range(resolution), tf.ones((resolution,)))]
    else:
        # One size of all stays a number: exports then have all places as constants, and do not
        # compute them in the precision of the network.
        extent = tf.cast(size, tf.float64)
        if extent.shape.rank:
            extent = extent[:, tf.newaxis]
        centres = (tf.range(resolution, dtype=tf.float64) + 0.5) * extent / resolution - 0.5
        centres = tf.clip_by_value(centres, tf.zeros((), tf.float64), extent - 1)
        lower = tf.floor(centres)
        share = centres - lower
        offsets = [(lower, 1 - share), (tf.minimum(lower + 1, extent - 1), share)]
    read = []
    for offset, weights in offsets:
        pixels = start[:, tf.newaxis] + tf.cast(offset, tf.int32)
        inside = (pixels >= bounds[:, :1]) & (pixels < bounds[:, 1:])
        read.append((pixels, tf.cast(weights, tf.float32) * tf.cast(inside, tf.float32)))
    return read

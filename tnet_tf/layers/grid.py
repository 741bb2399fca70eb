"""The attention grid: candidate cells, the regions they lead to, and their crops (paper 3.1).

A *region* is a rectangle of full-resolution pixels of one image. Level 1 has one region per image,
the image itself. A grid of overlapping *cells* lies over each region; the attended cells are the
regions of the next level. Regions are kept as coordinates; pixels are read once, when a level is
looked at, and only the ones that its base resolution needs, so cost does not grow with the image.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tnet_tf.layers import checks, runtime

Size: TypeAlias = int | tf.Tensor
# Pixels along one axis and their weights.
Tap: TypeAlias = tuple[tf.Tensor, tf.Tensor]


class Regions(NamedTuple):
    """The m regions of one level; all have one size.

    Attributes:
      image: (m,) int32, the image of the batch that each region belongs to.
      top, left: (m,) int32, first row and column in pixels of the image; may lie outside of it.
      height, width: size in pixels.
      bounds: (m, 4) int32 (top, left, bottom, right): pixels beyond are zero. A cell may reach past
        the region it was cut from, which counts as zero-padded there.
      positions: (m, 3) int32 triplets (x, y, scale) for the positional encoding (appendix 2.1.5).
      padded: whether regions may reach past their bounds.
    """

    image: tf.Tensor
    top: tf.Tensor
    left: tf.Tensor
    height: Size
    width: Size
    bounds: tf.Tensor
    positions: tf.Tensor
    padded: bool | tf.Tensor


def whole_images(images: tf.Tensor) -> Regions:
    """The regions of level 1: each of the (n, H, W, C) images whole."""
    height, width = image_size(images)
    count = tf.shape(images)[0]
    zeros = tf.zeros((count,), tf.int32)
    bounds = tf.broadcast_to(tf.stack([0, 0, height, width])[tf.newaxis], (count, 4))
    positions = tf.zeros((count, 3), tf.int32)
    return Regions(tf.range(count), zeros, zeros, height, width, bounds, positions, False)


def image_size(images: tf.Tensor) -> tuple[Size, Size]:
    """Height and width of (n, H, W, C) images, as numbers where they are known in advance."""
    dynamic = tf.shape(images)
    height, width = images.shape[1], images.shape[2]
    return (dynamic[1] if height is None else height), (dynamic[2] if width is None else width)


def cell_layout(size: Size, grid: int, cell: float) -> tuple[Size, Size, Size]:
    """Where the cells of a grid lie along one side.

    Args:
      size: of the side, in pixels.
      grid: cells per side, at least 2.
      cell: side of a cell as a fraction of `size`.

    Returns:
      patch: size of a cell, round(size * cell).
      stride: between neighbouring cells, rounded up so that the grid spans the side.
      before: zero padding before the first pixel; with stride and patch it fixes the padding after.
    """
    if isinstance(size, int):
        patch = round(size * cell)
    else:
        patch = tf.cast(tf.round(tf.cast(size, tf.float64) * cell), tf.int32)
    stride = (size - patch + grid - 2) // (grid - 1)
    padding = (grid - 1) * stride + patch - size
    return patch, stride, (padding + 1) // 2


def attended_regions(regions: Regions, cells: tf.Tensor, grid: int, cell: float) -> Regions:
    """The regions of the next level.

    Args:
      regions: the m regions of this level.
      cells: (m, k) int32 raster indices of the attended cells.
      grid: cells per side.
      cell: side of a cell as a fraction of the region's side.

    Returns:
      m * k regions; those of one parent are neighbours.
    """
    count = tf.shape(cells)[1]
    own = ("image", "top", "left", "bounds", "positions")
    parent = regions._replace(
        **{field: tf.repeat(getattr(regions, field), count, axis=0) for field in own}
    )
    height, row_stride, above = cell_layout(regions.height, grid, cell)
    width, column_stride, before = cell_layout(regions.width, grid, cell)
    cells = checks.guarded(
        cells,
        (height > 0) & (width > 0),
        f"images are too small for a cell of {cell:g} of the side of its region, which has",
        *(regions.height, "x", regions.width, "pixels"),
    )
    row, column = tf.reshape(cells // grid, (-1,)), tf.reshape(cells % grid, (-1,))
    top = parent.top + row * row_stride - above
    left = parent.left + column * column_stride - before
    start = tf.maximum(parent.bounds[:, :2], tf.stack([top, left], axis=1))
    end = tf.minimum(parent.bounds[:, 2:], tf.stack([top + height, left + width], axis=1))
    x, y, scale = tf.unstack(parent.positions, axis=1)
    positions = tf.stack([x * grid + column, y * grid + row, scale + 1], axis=1)
    bounds = tf.concat([start, end], axis=1)
    padded = (
        regions.padded
        | ((grid - 1) * row_stride + height != regions.height)
        | ((grid - 1) * column_stride + width != regions.width)
    )
    return Regions(parent.image, top, left, height, width, bounds, positions, padded)


def candidate_regions(regions: Regions, grid: int, cell: float) -> Regions:
    """All regions that the next level could have: the m * grid * grid cells, see above."""
    cells = tf.tile(tf.range(grid * grid)[tf.newaxis], (tf.size(regions.image), 1))
    return attended_regions(regions, cells, grid, cell)


def boxes(regions: Regions, images: tf.Tensor) -> tf.Tensor:
    """Regions as (m, 4) float32 boxes (y_min, x_min, y_max, x_max), fractions of the image side."""
    height, width = image_size(images)
    scale = tf.cast(tf.stack([height, width, height, width]), tf.float32)
    return tf.cast(regions.bounds, tf.float32) / scale


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
    rows = _taps(regions.top, regions.height, resolution[0], regions.bounds[:, 0::2])
    columns = _taps(regions.left, regions.width, resolution[1], regions.bounds[:, 1::2])
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


def _taps(start: tf.Tensor, size: Size, resolution: int, bounds: tf.Tensor) -> list[Tap]:
    """Pixels to add up along one axis.

    Returns:
      Two taps, or one where regions are read as they are, each of
      pixels: (m, resolution) int32.
      weights: (m, resolution) float32; 0 outside the (m, 2) bounds.
    """
    if _same(size, resolution):
        offsets = [(tf.range(resolution), tf.ones((resolution,)))]
    else:
        extent = tf.cast(size, tf.float64)
        centres = (tf.range(resolution, dtype=tf.float64) + 0.5) * extent / resolution - 0.5
        centres = tf.clip_by_value(centres, tf.zeros((), tf.float64), extent - 1)
        lower = tf.floor(centres)
        share = centres - lower
        offsets = [(lower, 1 - share), (tf.minimum(lower + 1, extent - 1), share)]
    taps = []
    for offset, weights in offsets:
        pixels = start[:, tf.newaxis] + tf.cast(offset, tf.int32)
        inside = (pixels >= bounds[:, :1]) & (pixels < bounds[:, 1:])
        taps.append((pixels, tf.cast(weights, tf.float32) * tf.cast(inside, tf.float32)))
    return taps

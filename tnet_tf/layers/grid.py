"""The attention grid: candidate cells, and the regions that they lead to (paper 3.1).

A *region* is a rectangle of full-resolution pixels of one image. Level 1 has one region per image,
the image itself. A grid of overlapping *cells* lies over each region; the attended cells are the
regions of the next level. All this is geometry: functions of the images' size, not of their pixels,
which `tnet_tf.layers.pixels` reads.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from tnet_tf.layers import checks

# A side in pixels: of all images, a number or a tensor (); or (n,) int32, one for each.
Size: TypeAlias = int | tf.Tensor
# Height and width.
ImageSize: TypeAlias = tuple[Size, Size]


class Regions(NamedTuple):
    """The m regions of one level; those of images of one size have one size.

    Attributes:
      image: (m,) int32, the image of the batch that each region belongs to.
      top, left: (m,) int32, first row and column in pixels of the image; may lie outside of it.
      height, width: size in pixels, of all or (m,) of each.
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


def whole_images(count: int | tf.Tensor, size: ImageSize) -> Regions:
    """The regions of level 1: each image whole.

    Args:
      count: number of images, n.
      size: their height and width; where images differ, two tensors (n,) int32.
    """
    zeros = tf.zeros((count,), tf.int32)
    sides = [tf.broadcast_to(side, (count,)) for side in size]
    bounds = tf.stack([zeros, zeros, *sides], axis=1)
    positions = tf.zeros((count, 3), tf.int32)
    return Regions(tf.range(count), zeros, zeros, *size, bounds, positions, False)


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
    parent = _of_each(regions, lambda field: tf.repeat(field, count, axis=0))
    height, row_stride, above = cell_layout(parent.height, grid, cell)
    width, column_stride, before = cell_layout(parent.width, grid, cell)
    cells = checks.guarded(
        cells,
        _all((height > 0) & (width > 0)),
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
    exact = ((grid - 1) * row_stride + height == parent.height) & (
        (grid - 1) * column_stride + width == parent.width
    )
    padded = regions.padded | ~_all(exact) if tf.is_tensor(exact) else regions.padded or not exact
    return Regions(parent.image, top, left, height, width, bounds, positions, padded)


def candidate_regions(regions: Regions, grid: int, cell: float) -> Regions:
    """All regions that the next level could have: the m * grid * grid cells, see above."""
    cells = tf.tile(tf.range(grid * grid)[tf.newaxis], (tf.size(regions.image), 1))
    return attended_regions(regions, cells, grid, cell)


def every(regions: Regions, step: int, first: int) -> Regions:
    """Every `step`-th of the regions, from one on: the same one of every image's `step` regions."""
    return _of_each(regions, lambda field: field[first::step])


def boxes(regions: Regions, size: ImageSize) -> tf.Tensor:
    """Regions as (m, 4) float32 boxes (y_min, x_min, y_max, x_max), fractions of the image side.

    Args:
      regions: m regions.
      size: height and width of their images, see `whole_images`.
    """
    height, width = size
    scale = tf.cast(tf.stack([height, width, height, width], axis=-1), tf.float32)
    if _differs(height):
        scale = tf.gather(scale, regions.image)
    return tf.cast(regions.bounds, tf.float32) / scale


def _of_each(regions: Regions, change: Callable[[tf.Tensor], tf.Tensor]) -> Regions:
    """The regions with all changed that there is one of for each region."""
    own = ["image", "top", "left", "bounds", "positions"]
    own += [side for side in ("height", "width") if _differs(getattr(regions, side))]
    return regions._replace(**{field: change(getattr(regions, field)) for field in own})


def _differs(value: Any) -> bool:
    """Whether there is one for each image or region, not one for all."""
    return tf.is_tensor(value) and value.shape.rank == 1


def _all(holds: bool | tf.Tensor) -> bool | tf.Tensor:
    return tf.reduce_all(holds) if _differs(holds) else holds

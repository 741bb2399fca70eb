"""Views: a region of a source at a resolution, from no more of its file than that needs.

Cost grows with the view, not with the image; nothing larger is held than the view and what is
decoded at once.
"""

from collections.abc import Iterator

import numpy as np

from tnet_tf.images import samples
from tnet_tf.images.regions import Region
from tnet_tf.images.samples import Samples, Taps
from tnet_tf.images.source import Source

# Read at once, unless a tile is larger: one read of a URL asks for many tiles in few requests.
_BLOCK_PIXELS = 2**20


def view(
    source: Source, region: Region, resolution: tuple[int, int], antialias: bool = False
) -> np.ndarray:
    """Reads a region at a resolution.

    Args:
      source: to read from.
      region: `Rectangle` or `Corners`.
      resolution: height and width (h, w) to read at.
      antialias: whether pixels between samples count, too. Without, samples are bilinear at level
        0, as in the papers and in `tnet_tf.layers.pixels`. With, each sample is the mean of what
        lies around it, at the smallest level that is not coarser than the view.

    Returns:
      (h, w, bands) float32: integers are scaled to [-1, 1] by the range of their type, floats are
      as they are; 0 outside the bounds of a region.

    Raises:
      UserError: the file is damaged where the view needs it.
    """
    rows, columns = region.samples(resolution, source.size)
    level = _level(source, rows, columns) if antialias else 0
    scales = [side / whole for side, whole in zip(source.levels[level], source.size, strict=True)]
    return sample(
        source,
        level,
        samples.taps(rows.on_level(scales[0]), antialias),
        samples.taps(columns.on_level(scales[1]), antialias),
    )


def _level(source: Source, rows: Samples, columns: Samples) -> int:
    """The smallest level with at least one pixel for each sample."""
    chosen = 0
    for level, (height, width) in enumerate(source.levels):
        down, across = height / source.size.height, width / source.size.width
        if rows.step * down >= 1 and columns.step * across >= 1:
            chosen = level
    return chosen


def sample(source: Source, level: int, rows: Taps, columns: Taps) -> np.ndarray:
    """Sums of pixels, each with the product of its row's and its column's weight.

    Reads only the tiles with pixels that weigh something, each once; pixels outside of the image
    are those at its edge.

    Args:
      source: to read from.
      level: of the source.
      rows: of the h rows of the result.
      columns: of the w columns of the result.

    Returns:
      (h, w, bands) float32, see `view`.
    """
    size, tile = source.levels[level], source.tiles[level]
    sums: np.ndarray = np.zeros((len(rows.first), len(columns.first), source.bands), np.float32)
    tile_rows = max(1, _BLOCK_PIXELS // (tile.height * tile.width))
    for left, right in _blocks(columns, size.width, tile.width, tile_rows):
        wide = -(-(right - left) // tile.width)
        for top, bottom in _blocks(rows, size.height, tile.height, max(1, tile_rows // wide)):
            pixels = source.window(level, top, left, bottom - top, right - left)
            _add(sums, pixels, rows, columns, (top, left), size)
    scale, offset = _to_symmetric(source.dtype)
    inside = np.outer(rows.weights.sum(axis=1), columns.weights.sum(axis=1))
    sums *= np.float32(scale)
    sums += np.float32(offset) * inside[..., np.newaxis]
    return sums


def _blocks(taps: Taps, side: int, tile: int, most: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of the pixels that weigh something, for each run of up to `most` tiles."""
    pixels: np.ndarray = _pixels(taps, side)[taps.weights > 0]
    if not pixels.size:
        return
    touched = np.unique(pixels)
    tiles = touched // tile
    start = 0
    for end in range(1, len(touched) + 1):
        ends = end == len(touched) or tiles[end] - tiles[end - 1] > 1
        if ends or tiles[end] - tiles[start] >= most:
            yield int(touched[start]), int(touched[end - 1]) + 1
            start = end


def _pixels(taps: Taps, side: int) -> np.ndarray:
    """(n, k): the pixels of all taps, within the image."""
    return np.clip(taps.first[:, np.newaxis] + np.arange(taps.weights.shape[1]), 0, side - 1)


def _add(
    sums: np.ndarray,
    pixels: np.ndarray,
    rows: Taps,
    columns: Taps,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> None:
    """Adds what the pixels of one window contribute to the sums, in place."""
    these, row_taps, row_weights = _within(rows, size[0], corner[0], pixels.shape[0])
    those, column_taps, column_weights = _within(columns, size[1], corner[1], pixels.shape[1])
    lines = _sum(pixels, row_taps, row_weights, axis=0)
    sums[these, those] += _sum(lines, column_taps, column_weights, axis=1)


def _sum(pixels: np.ndarray, taps: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Weighted sums along an axis of (h, w, bands): of each sample's pixels, (n, k) as weights."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    total: np.ndarray | None = None
    for places, shares in zip(taps.T, weights.T, strict=True):
        first, last = int(places[0]), int(places[-1])
        if last - first == len(places) - 1 and (np.diff(places) == 1).all():
            # Neighbours, as at full resolution, need not be gathered.
            part = pixels[first : last + 1] if axis == 0 else pixels[:, first : last + 1]
        else:
            part = np.take(pixels, places, axis=axis)
        as_it_is = bool((shares == 1).all())
        part = part.astype(np.float32) if as_it_is else part * shares.reshape(shape)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None, "a sample has at least one pixel"
    return total


def _within(taps: Taps, side: int, start: int, count: int) -> tuple[slice, np.ndarray, np.ndarray]:
    """The samples that have pixels in a window, these pixels from its start on, and their weights.

    Pixels outside of the window weigh nothing.
    """
    pixels: np.ndarray = _pixels(taps, side) - start
    inside = (pixels >= 0) & (pixels < count)
    weights = np.where(inside, taps.weights, np.float32(0))
    some = np.flatnonzero(weights.any(axis=1))
    these = slice(int(some[0]), int(some[-1]) + 1)
    return these, np.clip(pixels[these], 0, count - 1), weights[these]


def _to_symmetric(dtype: np.dtype) -> tuple[float, float]:
    """Scale and offset that bring pixels of a type to [-1, 1]."""
    if dtype.kind == "f":
        return 1.0, 0.0
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    scale = 2.0 / (int(high) - int(low))
    return scale, -1.0 - scale * int(low)

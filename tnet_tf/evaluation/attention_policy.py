"""How well attention finds the object: precision, recall, coverage, hits (appendix 3.1)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tnet_tf.batch import Batch
from tnet_tf.evaluation.results import Curve
from tnet_tf.outputs import Outputs


class AttentionPolicy:
    """Attended regions against the bounding box of the object (appendix table 7).

    The sets of pixels of appendix eq. 11 and 12 are those of the second processing level, as in
    the paper; overlaps count once. Areas are measured in fractions of the image, which for regions
    that end on whole pixels is the number of pixels over that of the image.

    Results, all in [0, 1]; with k the locations of the second level, L those of all levels:
      coverage_by_locations: attended share of the image after 1, .. k locations, mean over images.
      images_with_box: how many images the following are means over; all are absent where it is 0.
      precision_by_locations: share of the attended area that is inside the box (eq. 11).
      recall_by_locations: share of the box that is attended (eq. 12).
      hit_rate_by_locations: share of images for which one of the first 1, .. L regions, of any
        level, contains the centre of the box.
      hit_rate: the last of those.
    Networks that attend to nothing have no results.
    """

    def __init__(self) -> None:
        self._count = self._count_with_box = 0
        self._sums: dict[str, np.ndarray] = {}

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Measures the regions of a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        regions = np.asarray(outputs.boxes, np.float64)
        if not regions.shape[1]:
            return
        second_level = regions[:, (np.asarray(outputs.levels) == 2).all(axis=0)]
        attended = union_areas(second_level)
        self._count += len(attended)
        self._add("coverage", attended)
        boxes = np.clip(np.asarray(batch.boxes, np.float64), 0.0, 1.0)
        box_areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)
        with_box = box_areas > 0
        if not with_box.any():
            return
        boxes, box_areas, attended = boxes[with_box], box_areas[with_box], attended[with_box]
        inside = union_areas(_clipped(second_level[with_box], boxes))
        self._count_with_box += len(boxes)
        # On images of a few pixels a cell may lie in the padding altogether: precision 0.
        self._add("precision", inside / np.maximum(attended, np.finfo(np.float64).tiny))
        self._add("recall", inside / box_areas[:, np.newaxis])
        self._add("hit_rate", np.logical_or.accumulate(_hits(regions[with_box], boxes), axis=1))

    def results(self) -> Iterator[tuple[str, Any]]:
        """Means over all images, see the class."""
        if not self._count:
            return
        yield "coverage_by_locations", Curve.of(1, self._sums["coverage"] / self._count)
        if not self._count_with_box:
            return
        yield "images_with_box", self._count_with_box
        for name in ("precision", "recall", "hit_rate"):
            yield f"{name}_by_locations", Curve.of(1, self._sums[name] / self._count_with_box)
        yield "hit_rate", float(self._sums["hit_rate"][-1] / self._count_with_box)

    def _add(self, name: str, values: np.ndarray) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + values.sum(axis=0)


def without_nan(boxes: np.ndarray) -> np.ndarray:
    """(.., 4) boxes; those that are no numbers, of a network that has diverged, are made empty."""
    return np.where(np.isnan(boxes).any(axis=-1, keepdims=True), 0, boxes)


def union_areas(boxes: np.ndarray) -> np.ndarray:
    """Areas of the unions of the first 1, .. k boxes of each image, exactly.

    All edges of an image's boxes cut the plane into at most 2k - 1 by 2k - 1 rectangles, each of
    which a box covers wholly or not at all.

    Args:
      boxes: (n, k, 4) as (y_min, x_min, y_max, x_max); inside out counts as empty, and so do those
        that are no numbers.

    Returns:
      (n, k), in the square of the boxes' unit.
    """
    boxes = without_nan(boxes)
    rows = np.sort(boxes[..., 0::2].reshape(len(boxes), -1), axis=1)
    columns = np.sort(boxes[..., 1::2].reshape(len(boxes), -1), axis=1)
    areas = np.diff(rows)[:, :, np.newaxis] * np.diff(columns)[:, np.newaxis]
    covered = np.zeros(areas.shape, bool)
    unions = np.empty(boxes.shape[:2])
    for index in range(boxes.shape[1]):
        top, left, bottom, right = boxes[:, index, :, np.newaxis].transpose(1, 0, 2)
        in_rows = (rows[:, :-1] >= top) & (rows[:, 1:] <= bottom)
        in_columns = (columns[:, :-1] >= left) & (columns[:, 1:] <= right)
        covered |= in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis]
        unions[:, index] = (areas * covered).sum(axis=(1, 2))
    return unions


def _clipped(regions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The parts of (n, k, 4) regions that lie inside the (n, 4) boxes, one box per image."""
    lower, upper = np.split(boxes[:, np.newaxis], 2, axis=-1)
    return np.clip(regions, np.tile(lower, 2), np.tile(upper, 2))


def _hits(regions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(n, L) bool, whether each of the (n, L, 4) regions contains the centre of its image's box."""
    centres = (boxes[:, np.newaxis, :2] + boxes[:, np.newaxis, 2:]) / 2
    return ((regions[..., :2] <= centres) & (centres <= regions[..., 2:])).all(axis=-1)

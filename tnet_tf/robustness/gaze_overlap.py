"""How far a perturbation moves the gaze: the overlap of what is attended before and after."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tnet_tf.batch import Batch
from tnet_tf.evaluation.attention_policy import union_areas
from tnet_tf.evaluation.results import Curve
from tnet_tf.outputs import Outputs


class GazeOverlap:
    """Attended regions of perturbed images against those of the same images as they were.

    Results, where there are locations:
      gaze_overlap_by_locations: after 1, .. L locations, the area attended both before and after,
        over the area attended before or after; mean over the images, in [0, 1].

    Args:
      before: (n, L, 4) boxes, of the images of the one batch that will be taken in.
    """

    def __init__(self, before: np.ndarray):
        self.before = before
        self._overlaps: np.ndarray | None = None

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Measures the batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        if outputs.boxes.shape[1]:
            self._overlaps = gaze_overlap(self.before, np.asarray(outputs.boxes))

    def results(self) -> Iterator[tuple[str, Any]]:
        """See the class."""
        if self._overlaps is not None:
            yield "gaze_overlap_by_locations", Curve.of(1, self._overlaps.mean(axis=0))


def gaze_overlap(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Intersection over union of what the first 1, .. L boxes cover, exactly.

    Args:
      before: (n, L, 4) as (y_min, x_min, y_max, x_max).
      after: of the same shape.

    Returns:
      (n, L) in [0, 1]; 1 where both cover nothing.
    """
    before, after = before.astype(np.float64), after.astype(np.float64)
    count, locations = before.shape[:2]
    # Taken in turns, the first 2 c of all boxes are the first c of either.
    both = np.stack([before, after], axis=2).reshape(count, 2 * locations, 4)
    union = union_areas(both)[:, 1::2]
    shared = union_areas(before) + union_areas(after) - union
    return np.where(union > 0, np.clip(shared, 0, None) / np.where(union > 0, union, 1), 1.0)

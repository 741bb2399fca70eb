"""Accuracy after every number of attended locations: the accuracy side of the paper's tables."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tnet_tf.batch import Batch
from tnet_tf.evaluation.results import BY_LOCATIONS, Curve
from tnet_tf.outputs import Outputs


class Accuracy:
    """Top-1 and top-5 accuracy by the number of locations (paper 5, tables 1 and 2).

    Results, with L the locations attended:
      images: how many were classified.
      top1_by_locations, top5_by_locations: after 0, 1, .. L locations, in [0, 1]. With fewer than
        5 classes, all of them count as the top 5.
      top1_attended_only_by_locations, top5_attended_only_by_locations: the same from the first
        1, .. L attended locations alone, the thumbnail left out (paper 5.4); absent where L = 0.
    """

    def __init__(self) -> None:
        self._count = 0
        self._hits: dict[tuple[str, int], np.ndarray] = {}

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Counts the hits of a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        self._count += len(batch.labels)
        for what, first, logits in (
            ("", 0, outputs.logits_by_count),
            ("_attended_only", 1, outputs.logits_without_context),
        ):
            ranks = label_ranks(logits, batch.labels)
            for top in (1, 5):
                hits = (ranks < min(top, logits.shape[-1])).sum(axis=0)
                key = f"top{top}{what}{BY_LOCATIONS}", first
                self._hits[key] = self._hits.get(key, 0) + hits

    def results(self) -> Iterator[tuple[str, Any]]:
        """Accuracies over all images, see the class."""
        yield "images", self._count
        for (name, first), hits in self._hits.items():
            if self._count and hits.size:
                yield name, Curve.of(first, hits / self._count)


def label_ranks(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Place of the true class when classes are ordered by falling logits, from 0.

    Args:
      logits: (n, c, classes) float, c predictions per image.
      labels: (n,) int.

    Returns:
      (n, c) int. Equal logits are ordered by class, as arg max does; a label whose logit is NaN
      comes after all classes, so a network that has diverged scores nothing.
    """
    labels = np.asarray(labels)[:, np.newaxis, np.newaxis]
    own = np.take_along_axis(logits, np.broadcast_to(labels, (*logits.shape[:2], 1)), axis=-1)
    ties_before = (logits == own) & (np.arange(logits.shape[-1]) < labels)
    return (~(logits <= own) | ties_before).sum(axis=-1)

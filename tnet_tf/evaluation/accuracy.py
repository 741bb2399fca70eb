"""Accuracy after every number of attended locations: the accuracy side of the paper's tables."""

from collections.abc import Iterator

import numpy as np

from tnet_tf.evaluation.loop import Batch, Value
from tnet_tf.outputs import Outputs


class Accuracy:
    """Top-1 and top-5 accuracy by the number of locations (paper 5, tables 1 and 2).

    Results, with L the locations attended:
      images: how many were classified.
      top1_by_locations, top5_by_locations: after 0, 1, .. L locations, in [0, 1]. With fewer than
        5 classes, all of them count as the top 5.
      top1_attended_only_by_locations: top-1 from the first 1, .. L attended locations alone, the
        thumbnail left out (paper 5.4); absent where L = 0.
    """

    def __init__(self) -> None:
        self.images = 0
        self._top1: np.ndarray | float = 0.0
        self._top5: np.ndarray | float = 0.0
        self._top1_attended_only: np.ndarray | float = 0.0

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Counts the hits of a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        ranks = label_ranks(outputs.logits_by_count, batch.label)
        self.images += len(ranks)
        self._top1 += (ranks < 1).sum(axis=0)
        self._top5 += (ranks < min(5, outputs.logits_by_count.shape[-1])).sum(axis=0)
        attended_only = label_ranks(outputs.logits_without_context, batch.label)
        self._top1_attended_only += (attended_only < 1).sum(axis=0)

    def results(self) -> Iterator[tuple[str, Value]]:
        """Accuracies over all images, see the class."""
        yield "images", self.images
        if not self.images:
            return
        yield "top1_by_locations", (np.asarray(self._top1) / self.images).tolist()
        yield "top5_by_locations", (np.asarray(self._top5) / self.images).tolist()
        attended_only = np.asarray(self._top1_attended_only) / self.images
        if attended_only.size:
            yield "top1_attended_only_by_locations", attended_only.tolist()


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

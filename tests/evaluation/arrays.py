"""Outputs and batches as arrays, to hand to evaluators."""

import numpy as np

from tnet_tf.batch import Batch
from tnet_tf.outputs import Outputs


def make_outputs(
    logits_by_count=None, boxes=None, levels=None, logits_without_context=None, weights=None
) -> Outputs:
    """Outputs of n images and L locations; what is not given is zero."""
    if boxes is None:
        boxes = np.zeros((len(logits_by_count), np.shape(logits_by_count)[1] - 1, 4))
    count, locations = np.shape(boxes)[:2]
    if logits_by_count is None:
        logits_by_count = np.zeros((count, locations + 1, 3))
    if logits_without_context is None:
        logits_without_context = np.zeros((count, locations, np.shape(logits_by_count)[-1]))
    return Outputs(
        logits=np.asarray(logits_by_count)[:, -1],
        logits_by_count=np.asarray(logits_by_count, np.float32),
        feature_logits=np.asarray(logits_by_count, np.float32),
        logits_without_context=np.asarray(logits_without_context, np.float32),
        features=np.zeros((count, 8), np.float32),
        weights=np.full((count, locations + 1), 1 / (locations + 1))
        if weights is None
        else weights,
        log_probs=np.zeros((count, locations), np.float32),
        boxes=np.asarray(boxes, np.float32),
        levels=np.tile(np.full(locations, 2) if levels is None else levels, (count, 1)),
        location_probs=(),
        cells=np.zeros((count, locations), np.int32),
    )


def make_batch(labels=None, boxes=None, images=None) -> Batch:
    """A batch of n images; what is not given is zero."""
    count = len(next(part for part in (labels, boxes, images) if part is not None))
    return Batch(
        images=np.zeros((count, 8, 8, 3), np.float32) if images is None else np.asarray(images),
        labels=np.zeros(count, np.int32) if labels is None else np.asarray(labels),
        boxes=np.zeros((count, 4), np.float32) if boxes is None else np.asarray(boxes, np.float32),
        mask=np.ones(count, np.float32),
    )

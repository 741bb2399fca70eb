"""How far an exported network does what its source does."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.evaluation.figures import to_uint8
from tnet_tf.serving.saved_model import Runner, ServedNetwork


class Agreement(NamedTuple):
    """A comparison of two networks.

    Attributes:
      images: compared.
      logit_difference: the largest, of any logit.
      top1: share of images with the same most probable class.
      cells: share of images of which the same cells are attended, in the same order.
    """

    images: int
    logit_difference: float
    top1: float
    cells: float


def agreement(model: keras.Model, exported: Runner, batches: Iterable[Any]) -> Agreement:
    """Compares an export with the network it was made of, on images as uint8.

    Args:
      model: the source.
      exported: the export.
      batches: elements with `image` (n, H, W, 3) float32 in [-1, 1] and `mask` (n,), 0 for rows
        that only fill up a batch.
    """
    source = ServedNetwork(model).default()
    differences, same_class, same_cells = [], [], []
    for batch in batches:
        real = np.asarray(batch.mask) > 0
        images = tf.constant(to_uint8(batch.image))
        ours, theirs = (
            {name: np.asarray(outputs[name])[real] for name in ("logits", "cells")}
            for outputs in (source(images), exported(images))
        )
        differences.append(np.abs(ours["logits"] - theirs["logits"]).max(axis=1))
        same_class.append(ours["logits"].argmax(1) == theirs["logits"].argmax(1))
        same_cells.append((ours["cells"] == theirs["cells"]).all(axis=1))
    difference, classes, cells = map(np.concatenate, (differences, same_class, same_cells))
    return Agreement(
        len(classes), float(difference.max()), float(classes.mean()), float(cells.mean())
    )

"""How far an exported network does what its source does."""

from collections.abc import Iterable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.batch import Batch
from tnet_tf.layers.pixels import to_uint8
from tnet_tf.serving.saved_model import Runner, ServedNetwork

# Of the image's side. Rounding moves the regions of networks that place them anywhere; cells of a
# grid are further apart than this.
_SAME_PLACE = 0.01
_COMPARED = ("logits", "boxes")


class Agreement(NamedTuple):
    """A comparison of two networks.

    Attributes:
      compared: number of images that both have classified.
      logit_difference: the largest, of any logit.
      top1: share of images with the same most probable class.
      regions: share of images of which the same regions are attended, up to 1/100 of a side, in the
        same order.
    """

    compared: int
    logit_difference: float
    top1: float
    regions: float


def agreement(model: keras.Model, exported: Runner, batches: Iterable[Batch]) -> Agreement:
    """Compares an export with the network it was made of, on images as uint8.

    Args:
      model: the source.
      exported: the export.
      batches: rows with mask 0 are not compared.
    """
    source = ServedNetwork(model).default()
    differences, same_class, same_regions = [], [], []
    for batch in batches:
        real = np.asarray(batch.mask) > 0
        images = tf.constant(to_uint8(batch.images))
        ours, theirs = (
            {name: np.asarray(value)[real] for name, value in outputs.items() if name in _COMPARED}
            for outputs in (source(images), exported(images))
        )
        differences.append(np.abs(ours["logits"] - theirs["logits"]).max(axis=1))
        same_class.append(ours["logits"].argmax(1) == theirs["logits"].argmax(1))
        same_regions.append(_same_regions(ours, theirs))
    difference, classes, regions = map(np.concatenate, (differences, same_class, same_regions))
    return Agreement(
        len(classes), float(difference.max()), float(classes.mean()), float(regions.mean())
    )


def _same_regions(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> np.ndarray:
    """Whether all regions of an image are the same, (n,); of networks with none they are."""
    if "boxes" not in ours:
        return np.ones(len(ours["logits"]), bool)
    return (np.abs(ours["boxes"] - theirs["boxes"]) <= _SAME_PLACE).all(axis=(1, 2))

"""Trained networks as SavedModels, with any batch size, image size and number of locations."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.outputs import Outputs

Served: TypeAlias = dict[str, tf.Tensor]


class ServedNetwork(tf.Module):
    """A network behind the signatures that it is served by.

    Signatures, all with images (n, H, W, 3) of any size and the outputs of `_served`:
      serving_default: uint8 images; looks at the network's own number of locations.
      float_images: float32 images in [-1, 1]; else the same.
      with_locations: uint8 images and `locations`, int32 (levels - 1,), attended per grid of each
        level after the first, 0 up to the cells of the grid; those after a 0 do not count. Only of
        networks that attend.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`.
    """

    def __init__(self, model: keras.Model):
        super().__init__()
        self.model = model
        # Keras keeps some variables where a SavedModel does not look for them.
        self.weights = [variable.value for variable in model.weights]

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """The compiled functions by the names of their signatures."""
        pixels, floats = (
            tf.TensorSpec((None, None, None, 3), dtype, name="images")
            for dtype in (tf.uint8, tf.float32)
        )
        own = tf.function(lambda images: _served(self.model(images, training=False)))
        signatures = {
            "serving_default": own.get_concrete_function(pixels),
            "float_images": own.get_concrete_function(floats),
        }
        levels = len(getattr(self.model, "locations", ()))
        if levels:
            counts = tf.TensorSpec((levels,), tf.int32, name="locations")
            signatures["with_locations"] = tf.function(self._with_locations).get_concrete_function(
                pixels, counts
            )
        return signatures

    def _with_locations(self, images: tf.Tensor, locations: tf.Tensor) -> Served:
        """Traverses as many levels as have locations: a level of no regions can't be run."""
        counts = tuple(tf.unstack(locations))
        before_zero = tf.reduce_sum(tf.math.cumprod(tf.cast(locations > 0, tf.int32)))

        def to_depth(levels: int) -> Callable[[], Served]:
            return lambda: _served(self.model(images, locations=counts[:levels], training=False))

        return tf.switch_case(before_zero, [to_depth(n) for n in range(len(counts) + 1)])


def _served(outputs: Outputs) -> Served:
    """What is served of a pass over n images that attended to L locations each.

    Returns:
      probabilities, logits: (n, classes), after all L locations.
      logits_by_count: (n, L + 1, classes), after 0, 1, .. L locations.
      boxes: (n, L, 4), where it looked, as (y_min, x_min, y_max, x_max) in [0, 1].
      weights: (n, L + 1), what the thumbnail and each location weigh.
      levels: (L,), the level at which each location is looked at.
      cells: (n, L), the attended cells' raster indices.
    """
    fields = ("logits", "logits_by_count", "boxes", "weights", "levels", "cells")
    served = {name: getattr(outputs, name) for name in fields}
    return {"probabilities": tf.nn.softmax(outputs.logits), **served}


def save(model: keras.Model, folder: Path) -> None:
    """Writes a SavedModel whole or not at all; an earlier one in its place is replaced.

    Args:
      model: see `ServedNetwork`.
      folder: of the SavedModel.

    Raises:
      UserError: when the folder holds something else, or can't be written.
    """
    if folder.exists() and not (folder / "saved_model.pb").is_file() and any(folder.iterdir()):
        raise UserError(f"--export_dir={folder} holds other files; give a folder of its own")
    temporary = folder.with_name(f"unfinished-{folder.name}")
    network = ServedNetwork(model)
    signatures = network.signatures()
    try:
        tf.saved_model.save(network, str(temporary), signatures=signatures)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--export_dir={folder} can't be written: {reason}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Agreement(NamedTuple):
    """How far an exported network does what its source does.

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


def agreement(model: keras.Model, folder: Path, batches: Iterable[Any]) -> Agreement:
    """Compares a SavedModel with the network it was made of.

    Args:
      model: the source.
      folder: of the SavedModel.
      batches: elements with `image` (n, H, W, 3) float32 in [-1, 1] and `mask` (n,), 0 for rows
        that only fill up a batch.
    """
    served = tf.saved_model.load(str(folder)).signatures["float_images"]
    source = tf.function(lambda images: _served(model(images, training=False)))
    differences, same_class, same_cells = [], [], []
    for batch in batches:
        real = np.asarray(batch.mask) > 0
        ours, theirs = (
            {name: np.asarray(run(batch.image)[name])[real] for name in ("logits", "cells")}
            for run in (source, lambda images: served(images=images))
        )
        differences.append(np.abs(ours["logits"] - theirs["logits"]).max(axis=1))
        same_class.append(ours["logits"].argmax(1) == theirs["logits"].argmax(1))
        same_cells.append((ours["cells"] == theirs["cells"]).all(axis=1))
    difference, classes, cells = map(np.concatenate, (differences, same_class, same_cells))
    return Agreement(
        len(classes), float(difference.max()), float(classes.mean()), float(cells.mean())
    )

"""One pass over a split: the network runs once per batch, every evaluator looks at its outputs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tnet_tf.models.gazes import Gaze
from tnet_tf.outputs import Outputs

# What JSON can hold.
Value = float | None | list[Any] | dict[str, Any]


class Batch(NamedTuple):
    """n images as evaluators see them, all of them real: padding is gone.

    Attributes:
      image: (n, H, W, 3) float32 in [-1, 1].
      label: (n,) int32.
      box: (n, 4) float32, the object as (y_min, x_min, y_max, x_max), fractions of the image side;
        zeros where there is none.
    """

    image: np.ndarray
    label: np.ndarray
    box: np.ndarray


class Evaluator(Protocol):
    """Measures one aspect of a network over a split; a new one for each pass."""

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Takes in what the network made of a batch; fields of both are NumPy arrays."""

    def results(self) -> Iterator[tuple[str, Value]]:
        """Names and values over all batches taken in."""


class Evaluation:
    """Runs a network over splits; compiled once, however often it is run.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`.
      gaze: looks in the network's place: makes a `Gaze` for a batch from the numbers of its images
        in the split. The network must be one that attends.

    Example:
      >>> from tnet_tf.evaluation.accuracy import Accuracy
      >>> from tnet_tf.models.feedforward import FeedForward
      >>> from tnet_tf.models.plain_cnn import PlainCNN
      >>> evaluation = Evaluation(FeedForward(PlainCNN(), classes=10))
      >>> images, ones = tf.zeros((2, 64, 64, 3)), tf.ones((2,))
      >>> batch = PaddedBatch(images, tf.zeros((2,), tf.int32), tf.zeros((2, 4)), mask=ones)
      >>> evaluation.run([batch], [Accuracy()])["images"]
      2
    """

    def __init__(self, model: keras.Model, gaze: Callable[[tf.Tensor], Gaze] | None = None) -> None:
        def infer(
            images: tf.Tensor, locations: tuple[int, ...] | None, first: tf.Tensor
        ) -> Outputs:
            if gaze is None:
                return model(images, locations=locations, training=False)
            looking = gaze(first + tf.range(tf.shape(images)[0]))
            return model(images, locations=locations, training=False, gaze=looking)

        self._infer: Callable[..., Outputs] = tf.function(infer)

    def run(
        self,
        batches: Iterable[Any],
        evaluators: Sequence[Evaluator],
        locations: tuple[int, ...] | None = None,
        progress: bool = False,
        description: str = "evaluating",
    ) -> dict[str, Value]:
        """Evaluates over all batches, each read once.

        Args:
          batches: elements with the tensors `image` (n, H, W, 3), `label` (n,), `box` (n, 4) and
            `mask` (n,), see `PaddedBatch`. Rows with mask 0 are padding and reach no evaluator, so
            the last batch can have the shape of the others and needs no compilation of its own.
          evaluators: fresh ones.
          locations: attended per grid, one number for each level after the first; default: the
            network's own.
          progress: shows batches done and their rate.
          description: what the progress is of.

        Returns:
          The results of all evaluators by name.
        """
        first = 0
        for batch in tqdm(batches, desc=description, unit="batch", disable=not progress):
            outputs = self._infer(batch.image, locations, tf.constant(first))
            outputs, real = _real_rows(outputs, batch)
            first += len(batch.label)
            for evaluator in evaluators:
                evaluator.update(outputs, real)
        return {name: value for evaluator in evaluators for name, value in evaluator.results()}


class PaddedBatch(NamedTuple):
    """A batch as it comes, of n rows.

    Attributes:
      image: (n, H, W, 3) float32 in [-1, 1].
      label: (n,) int32.
      box: (n, 4) float32, see `Batch`.
      mask: (n,) float32, 0 for rows that only fill up the last batch.
    """

    image: tf.Tensor
    label: tf.Tensor
    box: tf.Tensor
    mask: tf.Tensor


def one_row(values: Any, row: int) -> Any:
    """A copy of one image's row of every array of a structure, the first dimension kept."""
    return tf.nest.map_structure(lambda part: part[row : row + 1].copy(), values)


def stacked(rows: Sequence[Any]) -> Any:
    """Rows as `one_row` gives them, one after the other."""
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *rows)


def _real_rows(outputs: Outputs, batch: Any) -> tuple[Outputs, Batch]:
    """Both as NumPy arrays, padded rows left out."""
    mask = np.asarray(batch.mask) > 0

    def keep(values: Any) -> np.ndarray:
        array: np.ndarray = np.asarray(values)
        return array if mask.all() else array[mask]

    kept = tf.nest.map_structure(keep, outputs)
    return kept, Batch(keep(batch.image), keep(batch.label), keep(batch.box))

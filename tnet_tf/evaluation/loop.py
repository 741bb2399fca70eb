"""One pass over a split: the network runs once per batch, every evaluator looks at its outputs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tnet_tf.batch import Batch
from tnet_tf.evaluation.results import Results
from tnet_tf.models.gazes import Gaze
from tnet_tf.outputs import Outputs


class Evaluator(Protocol):
    """Measures one aspect of a network over a split; a new one for each pass."""

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Takes in what the network made of a batch.

        Args:
          outputs: of the images; all fields are NumPy arrays.
          batch: as NumPy arrays; padding is gone, so its mask is 1 everywhere.
        """

    def results(self) -> Iterator[tuple[str, Any]]:
        """Names and values over all batches taken in, see `Results`."""


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
      >>> batch = Batch.of(tf.zeros((2, 64, 64, 3)), labels=tf.zeros((2,), tf.int32))
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
        batches: Iterable[Batch],
        evaluators: Sequence[Evaluator],
        locations: tuple[int, ...] | None = None,
        progress: bool = False,
        description: str = "evaluating",
    ) -> Results:
        """Evaluates over all batches, each read once.

        Args:
          batches: rows with mask 0 are padding and reach no evaluator, so the last batch can have
            the shape of the others and needs no compilation of its own.
          evaluators: fresh ones.
          locations: attended per grid, one number for each level after the first; default: the
            network's own.
          progress: shows batches done and their rate.
          description: what the progress is of.

        Returns:
          The results of all evaluators.
        """
        first = 0
        for batch in tqdm(batches, desc=description, unit="batch", disable=not progress):
            outputs = self._infer(batch.images, locations, tf.constant(first))
            outputs, real = _real_rows(outputs, batch)
            first += len(batch.labels)
            for evaluator in evaluators:
                evaluator.update(outputs, real)
        return Results(dict(part for evaluator in evaluators for part in evaluator.results()))


def one_row(values: Any, row: int) -> Any:
    """A copy of one image's row of every array of a structure, the first dimension kept."""
    return tf.nest.map_structure(lambda part: part[row : row + 1].copy(), values)


def stacked(rows: Sequence[Any]) -> Any:
    """Rows as `one_row` gives them, one after the other."""
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *rows)


def _real_rows(outputs: Outputs, batch: Batch) -> tuple[Outputs, Batch]:
    """Both as NumPy arrays, padded rows left out."""
    mask = np.asarray(batch.mask) > 0

    def keep(values: Any) -> np.ndarray:
        array: np.ndarray = np.asarray(values)
        return array if mask.all() else array[mask]

    kept = tf.nest.map_structure(keep, outputs)
    return kept, Batch(*map(keep, batch))

"""What was predicted: classes and probabilities, and a CSV with a row for every image."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tnet_tf.batch import Batch
from tnet_tf.outputs import Outputs

_TOP = 5
# What `predicted_classes` has for a network that has diverged.
NONE = -1


def predicted_classes(logits: np.ndarray) -> np.ndarray:
    """The class of the greatest logit, (..,) int of (.., classes); `NONE` where one is NaN.

    Of equal logits the first one counts.
    """
    return np.where(np.isnan(logits).any(axis=-1), NONE, np.argmax(logits, axis=-1))


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """The logarithm of the softmax over the last axis, float64."""
    values = np.asarray(logits, np.float64)
    with np.errstate(invalid="ignore"):  # Of infinite logits NaN.
        shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class PredictionRows:
    """Writes what was predicted of every image, as its batch comes.

    Columns of the CSV, with L the locations attended; what is not a number is empty:
      index: the image's place in the split, from 0.
      (named after the feature): what the image is called in its record, where it has a name.
      true: class.
      predicted, probability: the most probable class after all locations, and its probability.
      predicted_2, probability_2, .. predicted_5, probability_5: the next classes.
      after_0, .. after_L: class predicted after that many locations.
      y_min_1, x_min_1, y_max_1, x_max_1, .. x_max_L: attended regions in the order in which they
        are attended, fractions of the image's side.

    Args:
      write: appends bytes to the file.
      classes: name of each class.
      name_column: heading of the images' names; empty where they have none.
      names: of the images, in their order.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        classes: Sequence[str],
        name_column: str = "",
        names: Iterable[str] = (),
    ):
        self._write = write
        # `NONE` is the last name's index, too.
        self._classes = (*classes, "")
        self._name_column, self._names = name_column, iter(names)
        self._images = 0

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Writes the rows of a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        buffer = io.StringIO()
        rows = csv.writer(buffer, lineterminator="\n")
        top = min(_TOP, outputs.logits.shape[-1])
        if not self._images:
            rows.writerow(self._heading(top, outputs.boxes.shape[1]))
        after = predicted_classes(np.asarray(outputs.logits_by_count))
        for row, logits in enumerate(np.asarray(outputs.logits)):
            name = [next(self._names)] if self._name_column else []
            rows.writerow(
                [
                    self._images,
                    *name,
                    self._classes[batch.labels[row]],
                    *self._best(logits, top),
                    *(self._classes[predicted] for predicted in after[row]),
                    *("" if np.isnan(e) else f"{e:.6g}" for e in outputs.boxes[row].ravel()),
                ]
            )
            self._images += 1
        self._write(buffer.getvalue().encode(errors="backslashreplace"))

    def results(self) -> Iterator[tuple[str, Any]]:
        """Nothing: the file is the result."""
        return iter(())

    def _heading(self, top: int, locations: int) -> list[str]:
        name = [self._name_column] if self._name_column else []
        best = [
            f"{what}{place}"
            for place in ("", *(f"_{number}" for number in range(2, top + 1)))
            for what in ("predicted", "probability")
        ]
        after = [f"after_{count}" for count in range(locations + 1)]
        edges = [
            f"{edge}_{number}"
            for number in range(1, locations + 1)
            for edge in ("y_min", "x_min", "y_max", "x_max")
        ]
        return ["index", *name, "true", *best, *after, *edges]

    def _best(self, logits: np.ndarray, top: int) -> Iterator[str]:
        """Classes and probabilities in turns, the most probable first."""
        if np.isnan(logits).any():
            yield from [""] * (2 * top)
            return
        probabilities = np.exp(log_probabilities(logits))
        for best in np.argsort(-logits, kind="stable")[:top]:
            yield self._classes[best]
            yield f"{probabilities[best]:.6g}"

"""How well each class is recognised, and which classes are taken for which."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tnet_tf.batch import Batch
from tnet_tf.evaluation.predictions import NONE, predicted_classes
from tnet_tf.evaluation.tables import aligned, percent, shortened
from tnet_tf.outputs import Outputs

# Of more classes than these there is no picture, and the text names only the worst.
_MOST_SHOWN = 40
_WORST = 20
_MOST_NUMBERED = 20
_CONFUSIONS = 10
_LETTERS = 40


class ClassReport:
    """Precision, recall and F1 of every class, from the predictions after all locations.

    Results:
      classes: for each class its `name`, `images`, `precision`, `recall` and `f1`. Precision is
        None for a class that is never predicted, recall for one without images, F1 for both.
      macro_precision, macro_recall, macro_f1: means over the classes that have images, where None
        counts as 0, as in scikit-learn.
      confusions: the most frequent mistakes, each with `true` and `predicted` class and `images`.
      images_without_prediction: how many had logits that are no numbers; absent where all had.

    Args:
      classes: name of each class.

    Attributes:
      confusion: (classes, classes + 1) int64, images by true (rows) and predicted class; the last
        column is of images without a prediction.
    """

    def __init__(self, classes: Sequence[str]):
        self.names = tuple(classes)
        self.confusion: np.ndarray = np.zeros((len(classes), len(classes) + 1), np.int64)

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Counts a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        # `NONE` is the last column's index, too.
        np.add.at(self.confusion, (batch.labels, predicted_classes(outputs.logits)), 1)

    def results(self) -> Iterator[tuple[str, Any]]:
        """Measures over all images, see the class."""
        counts = self.confusion.sum(axis=1)
        if not counts.any():
            return
        right = np.diagonal(self.confusion)
        predicted = self.confusion[:, :NONE].sum(axis=0)
        columns = {
            "precision": _shares(right, predicted),
            "recall": _shares(right, counts),
            "f1": _shares(2 * right, predicted + counts),
        }
        yield (
            "classes",
            [
                {
                    "name": name,
                    "images": int(counts[number]),
                    **{key: values[number] for key, values in columns.items()},
                }
                for number, name in enumerate(self.names)
            ],
        )
        for key, values in columns.items():
            present = [value or 0.0 for value, count in zip(values, counts, strict=True) if count]
            yield f"macro_{key}", float(np.mean(present))
        yield "confusions", self._confusions()
        if self.confusion[:, NONE].any():
            yield "images_without_prediction", int(self.confusion[:, NONE].sum())

    def _confusions(self) -> list[dict[str, Any]]:
        mistakes = self.confusion[:, :NONE].copy()
        np.fill_diagonal(mistakes, 0)
        # Equally frequent ones by class.
        order = np.argsort(-mistakes, axis=None, kind="stable")[:_CONFUSIONS]
        pairs = np.transpose(np.unravel_index(order, mistakes.shape))
        return [
            {
                "true": self.names[true],
                "predicted": self.names[predicted],
                "images": int(mistakes[true, predicted]),
            }
            for true, predicted in pairs
            if mistakes[true, predicted]
        ]

    def to_csv(self) -> str:
        """The confusion matrix: a row for each true class, a column for each predicted one.

        A last column without a heading counts images without a prediction, where there are any.
        """
        columns = len(self.names) + bool(self.confusion[:, NONE].any())
        buffer = io.StringIO()
        rows = csv.writer(buffer, lineterminator="\n")
        rows.writerow(["true \\ predicted", *self.names, ""][: columns + 1])
        for name, counts in zip(self.names, self.confusion.tolist(), strict=True):
            rows.writerow([name, *counts[:columns]])
        return buffer.getvalue()

    def figure(self) -> Figure | None:
        """The confusion matrix in shares of the true class; None for more than 40 classes."""
        count = len(self.names)
        if count > _MOST_SHOWN:
            return None
        matrix = self.confusion[:, :NONE]
        shares = matrix / np.maximum(self.confusion.sum(axis=1, keepdims=True), 1)
        side = 2.5 + 0.3 * count
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = [shortened(name, 20) for name in self.names]
        axes.set_xticks(range(count), names, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=8, parse_math=False)
        axes.set(xlabel="predicted", ylabel="true")
        if count <= _MOST_NUMBERED:
            for (true, predicted), number in np.ndenumerate(matrix):
                if number:
                    colour = "white" if shares[true, predicted] > 0.5 else "black"
                    axes.text(
                        predicted, true, number, ha="center", va="center", fontsize=7, color=colour
                    )
        figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true class")
        return figure


def to_text(report: Mapping[str, Any]) -> str:
    """Tables of the classes and of the most frequent confusions, for a terminal.

    Args:
      report: holds the results of a `ClassReport`.
    """
    classes = report["classes"]
    shown, heading = classes, "every class, after all locations"
    if len(classes) > _MOST_SHOWN:
        shown = sorted(classes, key=lambda row: 1.0 if row["f1"] is None else row["f1"])[:_WORST]
        heading = f"the {_WORST} of {len(classes)} classes with the lowest F1, after all locations"
    means = {key: report[f"macro_{key}"] for key in ("precision", "recall", "f1")}
    rows = [*shown, {"name": "mean of classes", "images": report["images"], **means}]
    table: list[tuple[str, ...]] = [("class", "precision %", "recall %", "F1 %", "images")]
    for row in rows:
        shares = (percent(row[key]) for key in ("precision", "recall", "f1"))
        table.append((shortened(row["name"], _LETTERS), *shares, str(row["images"])))
    parts = [heading, *aligned(table)]
    if report.get("images_without_prediction"):
        parts.append(f"{report['images_without_prediction']} images have no finite prediction")
    if report["confusions"]:
        parts += ["", "most frequent confusions", *_confusion_table(report)]
    return "\n".join(parts)


def _confusion_table(report: Mapping[str, Any]) -> list[str]:
    counts = {row["name"]: row["images"] for row in report["classes"]}
    table: list[tuple[str, ...]] = [("true", "predicted", "images", "of the class %")]
    for row in report["confusions"]:
        names = (shortened(row[key], _LETTERS) for key in ("true", "predicted"))
        share = percent(row["images"] / counts[row["true"]])
        table.append((*names, str(row["images"]), share))
    return aligned(table)


def _shares(parts: np.ndarray, wholes: np.ndarray) -> list[float | None]:
    pairs = zip(parts.tolist(), wholes.tolist(), strict=True)
    return [part / whole if whole else None for part, whole in pairs]

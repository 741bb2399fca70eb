"""The same network looking at arbitrary places: what a learned gaze is worth."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from tnet_tf.batch import Batch
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.attention_policy import AttentionPolicy
from tnet_tf.evaluation.loop import Evaluation, one_row, stacked
from tnet_tf.evaluation.results import Results
from tnet_tf.evaluation.tables import aligned, heading, percent
from tnet_tf.models.gazes import GAZES
from tnet_tf.outputs import Outputs

_SHOWN = ("top1", "top5", "top1_attended_only", "hit_rate")


class OutputsOf:
    """Keeps what the network made of some images.

    Args:
      numbers: of the images in the split.
    """

    def __init__(self, numbers: Sequence[int]):
        self._numbers = numbers
        self._seen = 0
        self._kept: dict[int, Outputs] = {}

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Looks for the images in a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        for number in self._numbers:
            row = number - self._seen
            if 0 <= row < len(batch.labels):
                self._kept[number] = one_row(outputs, row)
        self._seen += len(batch.labels)

    def results(self) -> Iterator[tuple[str, Any]]:
        """Nothing: outputs are no measure."""
        return iter(())

    def outputs(self) -> Outputs:
        """Of all images, in the order of their numbers as given."""
        return stacked([self._kept[number] for number in self._numbers])


def measure(
    model: keras.Model,
    batches: Iterable[Any],
    locations: tuple[int, ...],
    numbers: Sequence[int] = (),
) -> tuple[dict[str, Results], dict[str, Outputs]]:
    """Measures a network with every gaze of `tnet_tf.models.gazes`, showing progress.

    Args:
      model: attends, and takes a `gaze`.
      batches: see `tnet_tf.evaluation.loop.Evaluation.run`; read once for every gaze.
      locations: attended per grid, one number for each level after the first.
      numbers: of the images whose outputs are returned, too.

    Returns:
      By name of the gaze the results of `Accuracy` and `AttentionPolicy`; and the outputs of the
      images with these numbers, if there are any.
    """
    results, outputs = {}, {}
    for name, gaze in GAZES.items():
        of_numbers = OutputsOf(numbers)
        results[name] = Evaluation(model, gaze).run(
            batches,
            [Accuracy(), AttentionPolicy(), of_numbers],
            locations,
            progress=True,
            description=f"{name} gaze",
        )
        if numbers:
            outputs[name] = of_numbers.outputs()
    return results, outputs


def to_text(report: Results) -> str:
    """A table with a row for every number of locations and gaze, the learned one first.

    Args:
      report: results of the network as it is, with those of `measure` as `gaze_baselines`.
    """
    gazes = {"learned": report, **report["gaze_baselines"]}
    shown = [name for name in _SHOWN if name in report.curves]
    rows = [("locations", "gaze", *map(heading, shown))]
    for count in report.curves["top1"].counts[1:]:
        for gaze, results in gazes.items():
            cells = [percent(results.curves[name].at(count)) for name in shown]
            rows.append((str(count), gaze, *cells))
    return "\n".join(["the same network looking elsewhere", *aligned(rows)])

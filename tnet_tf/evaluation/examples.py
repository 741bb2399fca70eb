"""Which images of a split a figure shows: as many mistakes as hits, from everywhere in it."""

import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from tnet_tf.batch import Batch
from tnet_tf.evaluation.figures import attention_figure
from tnet_tf.evaluation.loop import one_row, stacked
from tnet_tf.evaluation.predictions import predicted_classes
from tnet_tf.outputs import Outputs

_SEED = 0


class _Example(NamedTuple):
    """An image and what the network made of it, each with a first dimension of one.

    Examples are sorted by the first two fields, which no two share.
    """

    order: float
    number: int
    outputs: Outputs
    batch: Batch


class AttentionExamples:
    """Keeps some images of a split and what the network made of them, for a figure.

    Half of the images are mistakes, as far as there are any; mistakes take the place of hits where
    there are too few. Which ones is drawn by the image's number in the split, so it depends neither
    on batches nor on chance, and differs between networks only by what they get wrong.

    Args:
      count: how many images to keep.
    """

    def __init__(self, count: int):
        self.count = count
        self._seen = 0
        self._hits: list[_Example] = []
        self._mistakes: list[_Example] = []

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Keeps those that come first in the draw, see `tnet_tf.evaluation.loop.Evaluator`."""
        right = predicted_classes(outputs.logits) == batch.labels
        for row in range(len(batch.labels)):
            number = self._seen + row
            order = float(np.random.default_rng((_SEED, number)).random())
            kept = self._hits if right[row] else self._mistakes
            place = bisect.bisect(kept, (order, number))
            if place < self.count:
                kept.insert(
                    place, _Example(order, number, one_row(outputs, row), one_row(batch, row))
                )
                del kept[self.count :]
        self._seen += len(batch.labels)

    def results(self) -> Iterator[tuple[str, Any]]:
        """Nothing: pictures are no numbers."""
        return iter(())

    @property
    def numbers(self) -> list[int]:
        """Of the images shown, by their place in the split; hits first, each in order."""
        return [example.number for example in self._shown()]

    def figure(
        self,
        classes: Sequence[str],
        base_resolution: tuple[int, int] | None = None,
        gazes: Mapping[str, Outputs] | None = None,
    ) -> Figure | None:
        """The figure of the images kept, see `attention_figure`; None where there are none.

        Args:
          classes: name of each class.
          base_resolution: height and width at which regions are looked at.
          gazes: by name, what the network made of the images `numbers` looking elsewhere.
        """
        shown = self._shown()
        if not shown:
            return None
        outputs, batch = stacked([(example.outputs, example.batch) for example in shown])
        return attention_figure(outputs, batch, classes, base_resolution, gazes=gazes)

    def _shown(self) -> list[_Example]:
        mistakes = self._mistakes[: max(self.count // 2, self.count - len(self._hits))]
        hits = self._hits[: self.count - len(mistakes)]
        return [
            example
            for part in (hits, mistakes)
            for example in sorted(part, key=lambda example: example.number)
        ]

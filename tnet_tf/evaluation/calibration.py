"""Whether probabilities mean what they say: calibration of the last prediction."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tnet_tf.batch import Batch
from tnet_tf.evaluation.predictions import log_probabilities
from tnet_tf.evaluation.tables import percent
from tnet_tf.outputs import Outputs

_BINS = 15


class Calibration:
    """Confidence against accuracy, of the prediction after all locations.

    Confidence is the probability of the predicted class. Bins are of equal width, and each has its
    upper end: (0, 1/15], (1/15, 2/15], .. (Guo et al., "On Calibration of Modern Neural Networks",
    2017).

    Results:
      calibration: None where a prediction is not finite, and else
        expected_calibration_error: mean over images of the distance between the mean confidence of
          their bin and its accuracy.
        negative_log_likelihood: of the true class, mean over images, in nats.
        brier_score: squared distances between probabilities and the true class, summed over
          classes, mean over images; in [0, 2].
        bins: for each bin `images`, `confidence` and `accuracy`, the latter None where it is empty.
    """

    def __init__(self) -> None:
        self._counts: np.ndarray = np.zeros(_BINS, np.int64)
        self._confidence, self._right = np.zeros(_BINS), np.zeros(_BINS)
        self._surprise = self._distance = 0.0

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Adds a batch, see `tnet_tf.evaluation.loop.Evaluator`."""
        logs = log_probabilities(outputs.logits)
        probabilities = np.exp(logs)
        rows, labels = np.arange(len(logs)), np.asarray(batch.labels)
        confidence = probabilities.max(axis=1)
        right = np.argmax(outputs.logits, axis=1) == labels
        bins = np.digitize(confidence, np.linspace(0, 1, _BINS + 1)[1:-1], right=True)
        self._counts += np.bincount(bins, minlength=_BINS)
        self._confidence += np.bincount(bins, confidence, _BINS)
        self._right += np.bincount(bins, right, _BINS)
        self._surprise -= float(logs[rows, labels].sum())
        probabilities[rows, labels] -= 1
        self._distance += float((probabilities**2).sum())

    def results(self) -> Iterator[tuple[str, Any]]:
        """Means over all images, see the class."""
        total = int(self._counts.sum())
        if not total:
            return
        if not np.isfinite(self._surprise):
            yield "calibration", None
            return
        yield (
            "calibration",
            {
                "expected_calibration_error": float(
                    np.abs(self._confidence - self._right).sum() / total
                ),
                "negative_log_likelihood": self._surprise / total,
                "brier_score": self._distance / total,
                "bins": [
                    {
                        "images": count,
                        "confidence": confidence / count if count else None,
                        "accuracy": right / count if count else None,
                    }
                    for count, confidence, right in zip(
                        self._counts.tolist(),
                        self._confidence.tolist(),
                        self._right.tolist(),
                        strict=True,
                    )
                ],
            },
        )


def to_text(calibration: Mapping[str, Any] | None) -> str:
    """One line for a terminal.

    Args:
      calibration: the result of a `Calibration`.
    """
    if calibration is None:
        return "calibration: none, some predictions are not finite; training has diverged"
    return (
        f"calibration after all locations: expected calibration error "
        f"{percent(calibration['expected_calibration_error'])} % ({_BINS} bins), "
        f"negative log-likelihood {calibration['negative_log_likelihood']:.4f}, "
        f"Brier score {calibration['brier_score']:.4f}"
    )


def figure(calibration: Mapping[str, Any] | None) -> Figure | None:
    """The reliability diagram: accuracy by confidence, and below it how many images each bin has.

    Args:
      calibration: see `to_text`; there is no figure of None.
    """
    if calibration is None:
        return None
    bins = calibration["bins"]
    ends = np.linspace(0, 1, _BINS + 1)
    centres, width = (ends[:-1] + ends[1:]) / 2, 1 / _BINS
    filled = [number for number, each in enumerate(bins) if each["images"]]
    accuracy = [bins[number]["accuracy"] for number in filled]
    confidence = [bins[number]["confidence"] for number in filled]
    picture = Figure(figsize=(4.4, 5.4), layout="constrained")
    above, below = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="calibrated")
    above.bar(
        centres[filled], accuracy, width, color="#56B4E9", edgecolor="white", label="accuracy"
    )
    above.plot(confidence, accuracy, "o", color="#0072B2", markersize=4, label="mean confidence")
    error = percent(calibration["expected_calibration_error"])
    above.set(title=f"expected calibration error {error} %", ylabel="accuracy", ylim=(0, 1.02))
    picture.legend(fontsize=8, loc="outside lower center", ncols=3)
    below.bar(centres, [each["images"] for each in bins], width, color="grey", edgecolor="white")
    below.set(xlabel="confidence", ylabel="images", xlim=(0, 1))
    return picture

import json

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation import calibration
from tnet_tf.evaluation.calibration import Calibration
from tnet_tf.evaluation.figures import png


def measure(probabilities, labels, batch=11):
    """Calibration of these probabilities, taken in by batches."""
    measured = Calibration()
    logits = np.log(probabilities)
    for start in range(0, len(labels), batch):
        rows = slice(start, start + batch)
        # Only the prediction after all locations counts.
        by_count = np.stack([np.zeros_like(logits[rows]), logits[rows]], axis=1)
        measured.update(make_outputs(by_count), make_batch(labels[rows]))
    return dict(measured.results())["calibration"]


def two_classes(confidence, right):
    """Predictions of class 0 with these confidences, true where said."""
    confidence = np.asarray(confidence)
    return measure(np.stack([confidence, 1 - confidence], axis=1), np.where(right, 0, 1))


def test_the_error_is_the_distance_of_confidence_and_accuracy_weighted_by_images():
    # 0.9 with 3 of 4 right, 0.6 with 1 of 2 right: (4 * 0.15 + 2 * 0.1) / 6.
    found = two_classes([0.9] * 4 + [0.6] * 2, [1, 1, 1, 0, 1, 0])
    assert found["expected_calibration_error"] == pytest.approx(0.8 / 6)
    # Within a bin over- and underconfidence make up for each other: 0.81 and 0.86 share one.
    assert two_classes([0.81, 0.86] * 3, [1, 1, 1, 1, 1, 0])[
        "expected_calibration_error"
    ] == pytest.approx(abs(5 / 6 - 0.835))


def test_bins_are_fifteen_of_equal_width_with_their_upper_ends():
    bins = two_classes([0.6, 0.61, 2 / 3, 0.67, 1 - 1e-9], [1, 0, 1, 1, 1])["bins"]
    assert len(bins) == 15
    # (8/15, 9/15], (9/15, 10/15], (10/15, 11/15] and the last one.
    assert {number: each["images"] for number, each in enumerate(bins) if each["images"]} == {
        8: 1,
        9: 2,
        10: 1,
        14: 1,
    }
    assert bins[9]["accuracy"] == 0.5
    assert bins[9]["confidence"] == pytest.approx((0.61 + 2 / 3) / 2)
    assert bins[0] == {"images": 0, "confidence": None, "accuracy": None}


def test_a_network_that_is_as_often_right_as_it_says_is_calibrated():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(5), size=20000)
    labels = (probabilities.cumsum(axis=1) < random.uniform(size=(20000, 1))).sum(axis=1)
    found = measure(probabilities, labels, batch=4000)
    assert found["expected_calibration_error"] < 0.02
    # The same predictions, sharpened, are overconfident.
    sharp = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert measure(sharp, labels, batch=4000)["expected_calibration_error"] > 0.2


def test_likelihood_agrees_with_scikit_learn_and_the_brier_score_with_its_definition():
    random = np.random.default_rng(1)
    probabilities = random.dirichlet(np.ones(4), size=50)
    labels = random.integers(4, size=50)
    found = measure(probabilities, labels)
    assert found["negative_log_likelihood"] == pytest.approx(
        log_loss(labels, probabilities, labels=range(4)), rel=1e-5
    )
    distances = ((probabilities - np.eye(4)[labels]) ** 2).sum(axis=1)
    assert found["brier_score"] == pytest.approx(distances.mean(), rel=1e-5)


def test_a_network_that_knows_nothing_has_closed_form_values():
    found = measure(np.full((8, 4), 0.25), np.arange(8) % 4)
    assert found["negative_log_likelihood"] == pytest.approx(np.log(4))
    assert found["brier_score"] == pytest.approx(0.75)
    assert found["expected_calibration_error"] == pytest.approx(0)


def test_a_diverged_network_has_no_calibration_and_says_so():
    measured = Calibration()
    measured.update(make_outputs(np.full((3, 2, 4), np.nan)), make_batch([0, 1, 2]))
    results = dict(measured.results())
    assert results == {"calibration": None}
    assert "not finite" in calibration.to_text(None)
    assert calibration.figure(None) is None


def test_no_images_give_no_results():
    assert dict(Calibration().results()) == {}


def test_results_can_be_read_printed_and_drawn():
    found = two_classes([0.9] * 4 + [0.6] * 2, [1, 1, 1, 0, 1, 0])
    assert json.loads(json.dumps(found)) == found
    text = calibration.to_text(found)
    assert "13.33 % (15 bins)" in text
    figure = calibration.figure(found)
    heights = sorted(bar.get_height() for bar in figure.axes[0].patches)
    assert heights == [0.5, 0.75]
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 6
    assert png(figure).startswith(b"\x89PNG")

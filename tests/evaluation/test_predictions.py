import csv
import io

import numpy as np
import pytest

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation.predictions import (
    NONE,
    PredictionRows,
    log_probabilities,
    predicted_classes,
)

CLASSES = ("ant", "bee, the", "cat", "dog", "eel", "fox")


def rows_of(batches, classes=CLASSES, **named):
    """What is written of these pairs of outputs and labels, as dictionaries."""
    written = []
    rows = PredictionRows(written.append, classes, **named)
    for outputs, labels in batches:
        rows.update(outputs, make_batch(labels))
    assert dict(rows.results()) == {}
    return list(csv.DictReader(io.StringIO(b"".join(written).decode())))


@pytest.fixture
def outputs():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 0.5, (5, 2, 2))
    return make_outputs(
        logits_by_count=random.normal(size=(5, 3, len(CLASSES))),
        boxes=np.concatenate([corners, corners + 0.3], axis=-1),
    )


def test_each_image_has_its_classes_probabilities_and_regions(outputs):
    labels = [0, 1, 2, 3, 5]
    found = rows_of([(outputs, labels)])
    assert len(found) == 5
    for number, row in enumerate(found):
        logits = outputs.logits[number].astype(np.float64)
        probabilities = np.exp(logits) / np.exp(logits).sum()
        order = np.argsort(-probabilities)
        assert row["index"] == str(number)
        assert row["true"] == CLASSES[labels[number]]
        places = ("", "_2", "_3", "_4", "_5")
        assert [row[f"predicted{p}"] for p in places] == [CLASSES[c] for c in order[:5]]
        assert [float(row[f"probability{p}"]) for p in places] == pytest.approx(
            probabilities[order[:5]], rel=1e-5
        )
        after = np.argmax(outputs.logits_by_count[number], axis=-1)
        assert [row[f"after_{c}"] for c in range(3)] == [CLASSES[c] for c in after]
        for location in (1, 2):
            edges = [
                float(row[f"{edge}_{location}"]) for edge in ("y_min", "x_min", "y_max", "x_max")
            ]
            assert edges == pytest.approx(outputs.boxes[number, location - 1], rel=1e-5)


def test_rows_are_written_as_their_batches_come(outputs):
    written = []
    rows = PredictionRows(written.append, CLASSES)
    for start in (0, 2):
        part = outputs._replace(
            **{
                name: getattr(outputs, name)[start : start + 2]
                for name in ("logits", "logits_by_count", "boxes")
            }
        )
        rows.update(part, make_batch([0, 1]))
        lines = b"".join(written).decode().splitlines()
        # The heading, once, and all images so far.
        assert len(lines) == 1 + start + 2
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1", "2", "3"]


def test_images_are_named_in_their_order(outputs):
    names = (f"{letter}/1.png" for letter in "abcde")
    found = rows_of([(outputs, [0] * 5)], name_column="file", names=names)
    assert [row["file"] for row in found] == [f"{letter}/1.png" for letter in "abcde"]
    assert "file" not in rows_of([(outputs, [0] * 5)])[0]


def test_networks_of_few_classes_and_no_locations_have_fewer_columns():
    outputs = make_outputs(logits_by_count=np.zeros((1, 1, 2)))
    (row,) = rows_of([(outputs, [1])], classes=("no", "yes"))
    assert row == {
        "index": "0",
        "true": "yes",
        "predicted": "no",
        "probability": "0.5",
        "predicted_2": "yes",
        "probability_2": "0.5",
        "after_0": "no",
    }


def test_what_is_not_a_number_predicts_nothing():
    logits = np.zeros((2, 2, 3))
    logits[0, 1, 2] = np.nan
    assert predicted_classes(logits).tolist() == [[0, NONE], [0, 0]]
    boxes = np.full((2, 1, 4), 0.5)
    boxes[0, 0, 1] = np.nan
    outputs = make_outputs(logits, boxes)
    first, second = rows_of([(outputs, [0, 0])], classes=("no", "yes", "what"))
    assert [first["y_min_1"], first["x_min_1"], second["x_min_1"]] == ["0.5", "", "0.5"]
    assert (first["predicted"], first["probability"], first["after_0"]) == ("", "", "no")
    assert (first["after_1"], second["after_1"]) == ("", "no")


def test_probabilities_of_extreme_logits_keep_their_digits():
    logs = log_probabilities(np.array([[1000.0, 0.0], [-2000.0, -2001.0], [np.inf, 0.0]]))
    assert logs[0].tolist() == [0.0, -1000.0]
    assert np.exp(logs[1]).tolist() == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])
    assert np.isnan(logs[2, 0])

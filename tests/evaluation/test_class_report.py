import csv
import io

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation import class_report
from tnet_tf.evaluation.class_report import ClassReport
from tnet_tf.evaluation.figures import png


def measure(labels, predicted, classes, batch=7):
    """A report of these predictions, taken in by batches."""
    report = ClassReport(classes)
    for start in range(0, len(labels), batch):
        logits = np.eye(len(classes))[predicted[start : start + batch]]
        # Only the prediction after all locations counts.
        by_count = np.stack([-logits, logits], axis=1)
        report.update(make_outputs(by_count), make_batch(labels[start : start + batch]))
    return report


def names(count):
    return [f"class {number}" for number in range(count)]


@pytest.fixture
def random():
    generator = np.random.default_rng(0)
    return generator.integers(6, size=80), generator.integers(6, size=80)


def test_agrees_with_scikit_learn(random):
    labels, predicted = random
    report = measure(labels, predicted, names(6))
    results = dict(report.results())
    np.testing.assert_array_equal(report.confusion[:, :-1], confusion_matrix(labels, predicted))
    expected = precision_recall_fscore_support(labels, predicted)
    for key, values in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        assert [row[key] for row in results["classes"]] == pytest.approx(values)
    means = precision_recall_fscore_support(labels, predicted, average="macro")
    for key, value in zip(("precision", "recall", "f1"), means, strict=False):
        assert results[f"macro_{key}"] == pytest.approx(value)
    assert [row["name"] for row in results["classes"]] == names(6)


def test_what_is_undefined_is_none_and_counts_as_0_for_classes_with_images():
    results = dict(measure([0, 0, 1, 1], [0, 0, 0, 0], names(3)).results())
    zero, one, two = results["classes"]
    assert (zero["precision"], zero["recall"]) == (0.5, 1.0)
    assert (one["precision"], one["recall"], one["f1"]) == (None, 0.0, 0.0)
    assert (two["precision"], two["recall"], two["f1"], two["images"]) == (None, None, None, 0)
    # Of the two classes with images; scikit-learn's for labels=[0, 1].
    expected = precision_recall_fscore_support(
        [0, 0, 1, 1], [0] * 4, labels=[0, 1], average="macro", zero_division=0
    )
    assert [results[f"macro_{key}"] for key in ("precision", "recall", "f1")] == pytest.approx(
        expected[:3]
    )


def test_the_most_frequent_confusions_come_first():
    labels = [0] * 5 + [1] * 4 + [2] * 3
    results = dict(measure(labels, [0, 1, 1, 2, 2, 0, 1, 1, 1, 0, 0, 0], names(3)).results())
    assert results["confusions"] == [
        {"true": "class 2", "predicted": "class 0", "images": 3},
        {"true": "class 0", "predicted": "class 1", "images": 2},
        {"true": "class 0", "predicted": "class 2", "images": 2},
        {"true": "class 1", "predicted": "class 0", "images": 1},
    ]


def test_images_without_a_finite_prediction_are_mistakes_of_no_class():
    report = measure([0, 0, 1], [0, 0, 1], names(2))
    report.update(make_outputs(np.full((2, 1, 2), np.nan)), make_batch([0, 1]))
    results = dict(report.results())
    assert results["images_without_prediction"] == 2
    assert [row["recall"] for row in results["classes"]] == [2 / 3, 1 / 2]
    assert [row["precision"] for row in results["classes"]] == [1.0, 1.0]
    assert list(csv.reader(io.StringIO(report.to_csv())))[1:] == [
        ["class 0", "2", "0", "1"],
        ["class 1", "0", "1", "1"],
    ]


def test_no_images_give_no_results():
    assert dict(ClassReport(names(2)).results()) == {}


def test_the_matrix_as_csv_has_true_classes_as_rows():
    report = measure([0, 0, 1], [0, 1, 1], ["a, or b", "c"])
    assert list(csv.reader(io.StringIO(report.to_csv()))) == [
        ["true \\ predicted", "a, or b", "c"],
        ["a, or b", "1", "1"],
        ["c", "0", "1"],
    ]


def test_the_picture_shows_shares_of_the_true_class_of_up_to_40_classes():
    figure = measure([0, 0, 0, 0, 1], [0, 0, 0, 1, 1], ["a", "$b"]).figure()
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert {text.get_text() for text in figure.axes[0].texts} == {"3", "1"}
    assert png(figure).startswith(b"\x89PNG")
    assert measure([0], [0], names(40)).figure() is not None
    assert measure([0], [0], names(41)).figure() is None


def text_of(report):
    results = dict(report.results())
    return class_report.to_text({"images": int(report.confusion.sum()), **results})


def test_the_text_has_a_row_for_each_class_and_the_confusions():
    lines = text_of(measure([0, 0, 1, 1], [0, 1, 1, 1], ["ant", "bee"])).splitlines()
    rows = [line.split() for line in lines]
    assert ["ant", "100.00", "50.00", "66.67", "2"] in rows
    assert ["bee", "66.67", "100.00", "80.00", "2"] in rows
    assert ["mean", "of", "classes", "83.33", "75.00", "73.33", "4"] in rows
    assert ["ant", "bee", "1", "50.00"] in rows
    assert "confusions" not in text_of(measure([0, 1], [0, 1], ["ant", "bee"]))


def test_of_many_classes_the_text_names_the_worst():
    labels = np.arange(60)
    predicted = np.where(labels < 20, 59, labels)
    text = text_of(measure(labels, predicted, names(60)))
    assert "the 20 of 60 classes with the lowest F1" in text
    table = text.partition("mean of classes")[0]
    shown = {number for number in range(60) if f"class {number} " in table}
    assert shown == set(range(20))

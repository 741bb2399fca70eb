import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation.accuracy import Accuracy, label_ranks
from tnet_tf.evaluation.results import Curve

CLASSES = 12


@pytest.fixture
def random():
    return np.random.default_rng(0)


def measure(*pairs):
    accuracy = Accuracy()
    for outputs, batch in pairs:
        accuracy.update(outputs, batch)
    return dict(accuracy.results())


def test_agrees_with_scikit_learn_over_several_batches(random):
    logits, attended_only = random.normal(size=(2, 90, 4, CLASSES)).astype(np.float32)
    labels = random.integers(CLASSES, size=90)
    results = measure(
        *(
            (
                make_outputs(logits[rows], logits_without_context=attended_only[rows, :3]),
                make_batch(labels[rows]),
            )
            for rows in (slice(40), slice(40, 80), slice(80, 90))
        )
    )

    def expected(values, k):
        return [
            top_k_accuracy_score(labels, values[:, count], k=k, labels=range(CLASSES))
            for count in range(values.shape[1])
        ]

    assert results["images"] == 90
    assert results["top1_by_locations"].values == pytest.approx(expected(logits, 1))
    assert results["top5_by_locations"].values == pytest.approx(expected(logits, 5))
    for k in (1, 5):
        curve = results[f"top{k}_attended_only_by_locations"]
        assert curve.values == pytest.approx(expected(attended_only[:, :3], k))
        assert curve.counts == range(1, 4)


def test_with_fewer_than_five_classes_all_are_the_top_five(random):
    results = measure(
        (make_outputs(random.normal(size=(7, 2, 3))), make_batch([0, 1, 2] * 2 + [0]))
    )
    assert results["top5_by_locations"] == Curve(0, (1.0, 1.0))


def test_networks_without_locations_have_no_accuracy_of_attended_ones(random):
    results = measure((make_outputs(random.normal(size=(5, 1, 3))), make_batch([0] * 5)))
    assert results["top1_by_locations"].counts == range(1)
    assert not [name for name in results if "attended_only" in name]


def test_no_images_give_no_accuracy():
    assert measure() == {"images": 0}


def test_equal_logits_are_decided_as_by_arg_max():
    logits = np.zeros((3, 1, 4))
    assert label_ranks(logits, np.array([0, 1, 3])).tolist() == [[0], [1], [3]]


def test_a_diverged_network_scores_nothing():
    logits = np.full((2, 3, 6), np.nan)
    results = measure((make_outputs(logits), make_batch([0, 5])))
    assert results["top1_by_locations"] == results["top5_by_locations"] == Curve(0, (0.0,) * 3)


def test_ranks_count_the_classes_before_the_label(random):
    logits = random.normal(size=(20, 2, CLASSES))
    labels = random.integers(CLASSES, size=20)
    order = np.argsort(-logits, axis=-1)
    expected = np.argmax(order == labels[:, np.newaxis, np.newaxis], axis=-1)
    np.testing.assert_array_equal(label_ranks(logits, labels), expected)

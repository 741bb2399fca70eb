import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY_MGNET, build
from tnet_tf.config import LearningConfig
from tnet_tf.learning.cross_entropy import cross_entropy, reward
from tnet_tf.learning.joint_classifiers import JointClassifiers
from tnet_tf.outputs import Outputs

LABELS = np.array([3, 0, 0, 1, 2])


def outputs_of(glimpses):
    """`Outputs` of 5 images after some glimpses; what the rule does not read stays empty."""
    random, empty = np.random.default_rng(0), tf.zeros((5, 0))
    by_count, alone = random.normal(0, 3, (2, 5, glimpses, 4)).astype(np.float32)
    return Outputs(
        logits=tf.constant(by_count[:, -1]),
        logits_by_count=tf.constant(by_count),
        feature_logits=tf.constant(alone),
        logits_without_context=empty,
        features=empty,
        weights=empty,
        log_probs=empty,
        boxes=empty,
        levels=empty,
        location_probs=(),
        cells=empty,
    )


def entropy(logits):
    """-log p(label), (n, ..), by its definition."""
    logits = np.float64(logits)
    powers = np.exp(logits)
    rows = np.arange(len(LABELS))
    return -np.log(powers[rows, ..., LABELS] / powers.sum(axis=-1))


@pytest.mark.parametrize("glimpses", [1, 2, 4])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("glimpse_loss", ["after_first", "all"])
def test_terms_are_eq_6_to_8(glimpses, alpha, glimpse_loss):
    outputs = outputs_of(glimpses)
    config = LearningConfig(glimpse_weight=alpha, glimpse_loss=glimpse_loss)
    terms, mean_reward = JointClassifiers(config).terms(outputs, tf.constant(LABELS))

    first = 0 if glimpse_loss == "all" else 1
    # With no glimpse to be classified alone, all that counts is the global classifier.
    alpha = alpha if glimpses > first else 0
    of_all = entropy(outputs.logits_by_count).mean()
    of_single = sum(entropy(outputs.feature_logits)[:, first:].sum(axis=1)) / 5
    of_single /= max(glimpses - first, 1)
    np.testing.assert_allclose(terms.global_classifier, (1 - alpha) * of_all, rtol=1e-5)
    np.testing.assert_allclose(terms.glimpse_classifier, alpha * of_single, rtol=1e-5)
    hits = np.argmax(outputs.logits, axis=1) == LABELS
    assert float(mean_reward) == pytest.approx(hits.mean())


@pytest.mark.parametrize("changes", [{"model": "feedforward"}, {"locations": (0,)}])
@pytest.mark.parametrize("glimpse_loss", ["after_first", "all"])
def test_of_one_look_the_rule_is_cross_entropy(changes, glimpse_loss):
    outputs = build(TINY_MGNET, **changes)(tf.random.uniform((5, 40, 40, 3)))
    config = LearningConfig(glimpse_loss=glimpse_loss, glimpse_weight=0.3)
    terms, _ = JointClassifiers(config).terms(outputs, tf.constant(LABELS))
    expected = entropy(outputs.logits).mean()
    if glimpse_loss == "all":  # MGNet has a classifier of its own for glimpses.
        expected = 0.7 * expected + 0.3 * entropy(outputs.feature_logits).mean()
    np.testing.assert_allclose(tf.add_n(terms), expected, rtol=1e-5)
    if "model" in changes:
        np.testing.assert_allclose(tf.add_n(terms), entropy(outputs.logits).mean(), rtol=1e-5)


def test_gradients_pull_every_prediction_towards_its_label():
    outputs, labels = outputs_of(3), tf.constant(LABELS)
    sources = [outputs.logits_by_count, outputs.feature_logits]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        terms, _ = JointClassifiers(LearningConfig(glimpse_weight=0.6)).terms(outputs, labels)
        loss = tf.add_n(terms)
    wanted = tf.one_hot(labels, 4)[:, tf.newaxis]
    errors = [tf.nn.softmax(logits) - wanted for logits in sources]
    of_all, of_single = tape.gradient(loss, sources)
    np.testing.assert_allclose(of_all, 0.4 * errors[0] / (5 * 3), atol=1e-6)
    np.testing.assert_allclose(of_single[:, 1:], 0.6 * errors[1][:, 1:] / (5 * 2), atol=1e-6)
    np.testing.assert_array_equal(of_single[:, 0], np.zeros((5, 4)))


def test_cross_entropy_and_reward_take_labels_of_any_shape_that_broadcasts():
    logits = tf.constant([[[2.0, 0.0], [0.0, 2.0], [9.0, 0.0]]] * 2)
    labels = tf.constant([[0], [1]])
    right, wrong = np.log(1 + np.exp([-2.0, 2.0]))
    expected = [[right, wrong, 1e-4], [wrong, right, 9]]
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, atol=1e-3)
    assert reward(logits, labels).numpy().tolist() == [[1, 0, 1], [0, 1, 0]]
    np.testing.assert_allclose(cross_entropy(logits[:, 0], labels[:, 0]), [right, wrong], atol=1e-5)


def test_both_classifiers_are_smoothed_and_weighted():
    outputs, weights = outputs_of(3), np.array([0.5, 2, 0, 1, 4])
    config = LearningConfig(glimpse_weight=0.6, label_smoothing=0.3)
    labels = tf.constant(LABELS)
    image_weights = tf.constant(weights, tf.float32)
    terms, mean_reward = JointClassifiers(config).terms(outputs, labels, image_weights)

    def expected(logits):
        log_p = np.float64(tf.nn.log_softmax(logits))
        targets = 0.7 * np.eye(4)[LABELS] + 0.3 / 4
        entropies = -(targets[:, np.newaxis] * log_p).sum(-1)
        return (weights[:, np.newaxis] * entropies).mean()

    of_all, of_single = outputs.logits_by_count, outputs.feature_logits[:, 1:]
    np.testing.assert_allclose(terms.global_classifier, 0.4 * expected(of_all), rtol=1e-5)
    np.testing.assert_allclose(terms.glimpse_classifier, 0.6 * expected(of_single), rtol=1e-5)
    assert mean_reward == JointClassifiers(LearningConfig()).terms(outputs, labels)[1]

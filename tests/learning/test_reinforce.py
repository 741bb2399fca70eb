import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.models.golden import FOLDER
from tests.networks import build
from tnet_tf.config import LearningConfig
from tnet_tf.layers.randomness import keyed_randomness
from tnet_tf.layers.sampling import log_probs_without_replacement
from tnet_tf.learning.baseline import RewardBaseline
from tnet_tf.learning.contrastive import contrastive_loss
from tnet_tf.learning.cross_entropy import reward
from tnet_tf.learning.reinforce import Reinforce
from tnet_tf.models.plain_cnn import PlainCNN
from tnet_tf.models.tnet import TNet
from tnet_tf.outputs import Outputs


def outputs_of(values):
    """`Outputs` from the arrays of a golden file; what the rule does not read stays empty."""
    images = len(values["logits"])
    by_level = sorted(key for key in values if key.startswith("log_probs"))
    features = [values[key] for key in sorted(values) if key.startswith("logits_per_feature")]
    rows = [tf.reshape(values[key], (images, -1)) for key in by_level]
    levels = [int(key[-1]) for key, row in zip(by_level, rows, strict=True) for _ in row[0]]
    empty = tf.zeros((images, 0))
    return Outputs(
        logits=values["logits"],
        logits_by_count=empty,
        feature_logits=tf.concat([tf.reshape(f, (images, -1, f.shape[-1])) for f in features], 1),
        logits_without_context=empty,
        features=empty,
        weights=empty,
        log_probs=tf.concat(rows, axis=1),
        boxes=empty,
        levels=tf.constant([levels] * images),
        location_probs=(),
        cells=empty,
    )


def terms(outputs, labels, config=None, image_weights=None, baseline=0.5):
    """Loss terms and mean reward by the rule at a value of its baseline."""
    rule = Reinforce(config or LearningConfig())
    rule.baseline.value.assign(baseline)
    return rule.terms(outputs, labels, image_weights)


@pytest.mark.parametrize("setting", ["imagenet", "fmow_448", "fmow_896", "cub"])
def test_loss_gradients_and_baseline_are_the_published_ones(setting):
    with np.load(FOLDER / f"loss_{setting}.npz") as file:
        golden = dict(file)
    inputs = {
        key: tf.constant(value)
        for key, value in golden.items()
        if key == "logits" or key.startswith(("logits_per_feature", "log_probs"))
    }
    config = LearningConfig(
        lambda_f=float(golden["lambda_f"]),
        lambda_c=float(golden["lambda_c"]),
        lambda_r=float(golden["lambda_r"]),
        per_feature_levels=int(golden["per_feature_levels"]),
    )
    rule = Reinforce(config)
    rule.baseline.value.assign(float(golden["baseline_before"]))
    labels = tf.constant(golden["labels"])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss_terms, mean_reward = rule.terms(outputs_of(inputs), labels)
        loss = tf.add_n(loss_terms)
    rule.update(mean_reward)

    np.testing.assert_allclose(loss, golden["loss"], rtol=1e-5)
    np.testing.assert_allclose(rule.state["baseline"], golden["baseline_after"], rtol=1e-5)
    gradients = tape.gradient(loss, inputs, unconnected_gradients="zero")
    for key, gradient in gradients.items():
        expected = golden[f"grad_{key}"]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5 * scale, err_msg=key)
    contrastive = contrastive_loss(tf.constant(golden["features"]), labels, float(golden["alpha"]))
    np.testing.assert_allclose(
        float(golden["lambda_con"]) * contrastive, golden["contrastive"], rtol=1e-5
    )


def test_without_locations_the_rule_is_plain_cross_entropy():
    model = build(model="feedforward")
    images, labels = tf.random.uniform((5, 40, 40, 3)), tf.constant([0, 1, 2, 3, 0])
    outputs = model(images)
    found, mean_reward = terms(outputs, labels)
    log_p = tf.nn.log_softmax(outputs.logits).numpy()
    np.testing.assert_allclose(
        tf.add_n(found), -log_p[np.arange(5), labels.numpy()].mean(), rtol=1e-5
    )
    assert found.reinforce == found.feature_reinforce == 0
    expected = float(tf.reduce_mean(reward(outputs.logits, labels)))
    assert float(mean_reward) == pytest.approx(expected)


def test_the_reward_is_the_sequence_s_where_no_location_is_regularised():
    outputs, labels = build()(tf.random.uniform((64, 64, 64, 3))), tf.range(64) % 4
    _, mean_reward = terms(outputs, labels, LearningConfig(per_feature_levels=1))
    assert float(mean_reward) == float(tf.reduce_mean(reward(outputs.logits, labels)))


class StillCNN(PlainCNN):
    """A backbone without batch statistics, so that training sees what inference sees."""

    def call(self, images, level=1, training=False):
        return super().call(images, level=level, training=False)


def all_sequences(model, image, count):
    """Log-probability of every location sequence, and logit of class 0 over class 1 after it."""
    probabilities = model(image, locations=(count,)).location_probs[0][:, 0]
    sequences = list(itertools.permutations(range(probabilities.shape[1]), count))
    rows = tf.repeat(probabilities, len(sequences), axis=0)
    log_probs = tf.reduce_sum(log_probs_without_replacement(rows, tf.constant(sequences)), axis=1)
    every = model(image, locations=(probabilities.shape[1],))
    vectors = every.feature_logits[0].numpy()
    place = {cell: i + 1 for i, cell in enumerate(every.cells[0].numpy())}
    # The classifier is linear: logits of an average are the average of logits.
    logits = [vectors[[0, *(place[cell] for cell in sequence)]].mean(0) for sequence in sequences]
    return log_probs, np.array([first - second for first, second in logits])


def test_the_sampled_gradient_is_unbiased():
    """Its mean agrees with the exact gradient of the expected reward within its standard error."""
    model = TNet(
        StillCNN(),
        classes=2,
        base_resolution=(32, 32),
        grid=2,
        cell=0.6,
        locations=(2,),
        sampling="without_replacement",
    )
    image = tf.random.uniform((1, 64, 64, 3), -1, 1)
    for variable in model.location.trainable_variables:
        variable.assign(variable.value + tf.random.normal(variable.shape, stddev=0.5))
    # A classifier for which half of the sequences hit and half miss.
    _, margins = all_sequences(model, image, 2)
    model.classification.linear.bias.assign([-np.median(margins), 0.0])
    weights = [variable.value for variable in model.location.trainable_variables]

    with tf.GradientTape() as tape:
        log_probs, margins = all_sequences(model, image, 2)
        expected_reward = tf.reduce_sum(tf.exp(log_probs) * (margins > 0).astype(np.float32))
    assert 0.1 < float(expected_reward) < 0.9
    exact = flat(tape.gradient(expected_reward, weights))
    assert np.abs(exact).max() > 1e-2

    samples, runs = 32, 400
    rule = Reinforce(LearningConfig(lambda_f=1.0, lambda_c=1.0, lambda_r=1.0))
    rule.baseline.value.assign(0.4)
    images, labels = tf.repeat(image, samples, axis=0), tf.zeros((samples,), tf.int32)

    @tf.function
    def sampled(key):
        """The update from `samples` sequences, as the training step computes it."""
        with keyed_randomness(key), tf.GradientTape() as tape:
            outputs = model(images, training=True)
            found, _ = rule.terms(outputs, labels)
        return tape.gradient(found.reinforce, weights)

    # The loss falls where the reward rises.
    estimates = np.stack([-flat(sampled(tf.constant([7, run]))) for run in range(runs)])
    error = estimates.std(axis=0, ddof=1) / np.sqrt(runs)
    distance = np.abs(estimates.mean(axis=0) - exact) / np.maximum(error, 1e-7)
    # Of many coordinates a few lie beyond two standard errors, none far beyond; and the errors
    # are small against the gradient itself, or the test would say nothing.
    assert np.mean(distance < 2) > 0.9
    assert distance.max() < 5
    assert np.linalg.norm(error) < 0.1 * np.linalg.norm(exact)


def flat(tensors):
    return np.concatenate([np.ravel(tensor) for tensor in tensors])


def test_the_baseline_starts_at_one_half_and_moves_by_a_tenth():
    baseline = RewardBaseline()
    assert float(baseline.value) == 0.5
    baseline.update(tf.constant(1.0))
    assert float(baseline.value) == pytest.approx(0.55)


def test_contrastive_loss_in_words():
    features = tf.constant([[1.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    labels = tf.constant([0, 0, 1])
    cosine = 1 / np.sqrt(2)
    # Pairs of one class are identical (0); the two others exceed 0.4 in both directions.
    expected = 4 * (cosine - 0.4) / 9
    np.testing.assert_allclose(contrastive_loss(features, labels, 0.4), expected, rtol=1e-5)
    np.testing.assert_allclose(contrastive_loss(features, labels, 0.8), 0, atol=1e-6)


def test_smoothing_and_image_weights_change_the_cross_entropy_alone():
    outputs = build()(tf.random.uniform((6, 64, 64, 3)))
    labels, weights = np.array([0, 1, 2, 3, 0, 1]), np.array([2, 0, 1, 0.5, 3, 1])
    config = LearningConfig(label_smoothing=0.2)
    image_weights = tf.constant(weights, tf.float32)
    found, mean_reward = terms(outputs, tf.constant(labels), config, image_weights)
    plain, plain_reward = terms(outputs, tf.constant(labels))
    assert found.reinforce == plain.reinforce != 0
    assert found.feature_reinforce == plain.feature_reinforce != 0
    assert mean_reward == plain_reward

    def expected(logits):
        """Weighted mean over images of sum_k -q_k log p_k, q = 0.8 of the label + 0.2 / 4."""
        log_p = np.float64(tf.nn.log_softmax(logits))
        targets = 0.8 * np.eye(4)[labels] + 0.05
        return (weights * -(targets * log_p).sum(-1)).sum() / len(labels)

    np.testing.assert_allclose(found.classification, 0.3 * expected(outputs.logits), rtol=1e-5)
    single = [expected(outputs.feature_logits[:, vector]) for vector in range(3)]
    np.testing.assert_allclose(found.feature_classification, 0.7 * np.mean(single), rtol=1e-5)

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import shallow
from tests.training.test_step import batches, make_step, weights
from tnet_tf.config import LearningConfig, TrainConfig
from tnet_tf.models.weights.names import variable_names
from tnet_tf.training.devices import make_strategy
from tnet_tf.training.gradients import LossScale, clip_by_global_norm

RATE = 0.5
# Without momentum, a step's change of a weight is its gradient times the rate.
SGD = TrainConfig(
    optimizer="sgd",
    momentum=0.0,
    learning_rate=RATE,
    pretrained_learning_rate=RATE,
    train_steps=100,
)


def one_step(devices, gradient_clip=0.0, loss_scale=None, learning=None):
    """The gradients that a step applied, by weight, its metrics, and itself; in two groups."""
    pretrained = [name for name in variable_names(shallow()) if "convolution" in name]
    with make_strategy(devices).scope():
        step = make_step(SGD, learning, pretrained, make_network=shallow)
        step.gradient_clip = gradient_clip
        step.loss_scale = LossScale() if loss_scale else None
        if loss_scale:
            step.loss_scale.value.assign(loss_scale)
    before = weights(step)
    (batch,) = step.strategy.experimental_distribute_dataset(batches(1))
    metrics = step(batch)
    after = weights(step)
    trained = [name for name, v in variable_names(step.model).items() if v.trainable]
    return {n: (before[n] - after[n]) / RATE for n in trained}, metrics, step


def norm(gradients):
    return np.sqrt(sum(np.sum(np.float64(each) ** 2) for each in gradients.values()))


@pytest.mark.parametrize("devices", [1, 2])
def test_gradients_are_clipped_by_their_norm_over_all_groups_and_replicas(devices):
    free, metrics, step = one_step(devices)
    assert len(step.groups) == 2
    assert "gradient_norm" not in metrics
    most = norm(free) / 3
    clipped, metrics, _ = one_step(devices, gradient_clip=most)
    np.testing.assert_allclose(metrics["gradient_norm"], norm(free), rtol=1e-4)
    np.testing.assert_allclose(norm(clipped), most, rtol=1e-4)
    largest = max(np.abs(gradient).max() for gradient in free.values())
    for name, gradient in free.items():
        np.testing.assert_allclose(clipped[name], gradient / 3, atol=1e-5 * largest, err_msg=name)


def test_gradients_within_the_norm_stay_as_they_are():
    gradients = [tf.constant([3.0, 0.0]), None, tf.constant([[4.0]])]
    for most, factor in ((5.0, 1.0), (50.0, 1.0), (2.5, 0.5), (1e-3, 2e-4)):
        clipped, length = clip_by_global_norm(gradients, most)
        assert float(length) == 5
        assert clipped[1] is None
        np.testing.assert_allclose(clipped[0], [3 * factor, 0], rtol=1e-6)
        np.testing.assert_allclose(clipped[2], [[4 * factor]], rtol=1e-6)


@pytest.mark.parametrize("devices", [1, 2])
def test_a_step_whose_gradients_overflow_changes_no_weight(devices):
    steep = LearningConfig(l2_weight=100.0)
    applied, metrics, step = one_step(devices, loss_scale=2.0**127, learning=steep)
    for name, gradient in applied.items():
        assert not gradient.any(), name
    assert float(metrics["overflows"]) > 0
    assert float(metrics["loss_scale"]) == 2.0**126
    assert np.isfinite(metrics["loss"])
    assert [group.optimizer.iterations.numpy() for group in step.groups] == [0, 0]
    assert step.step.numpy() == 1


@pytest.mark.parametrize("devices", [1, 2])
def test_the_scale_of_the_loss_leaves_gradients_as_they_are(devices):
    free, _, _ = one_step(devices)
    scaled, metrics, step = one_step(devices, loss_scale=2.0**15)
    largest = max(np.abs(gradient).max() for gradient in free.values())
    for name, gradient in free.items():
        np.testing.assert_allclose(scaled[name], gradient, atol=1e-5 * largest, err_msg=name)
    assert float(metrics["overflows"]) == 0
    assert float(metrics["loss_scale"]) == 2.0**15
    assert step.loss_scale.good_steps.numpy() == 1


def test_the_scale_of_the_loss_moves_as_keras_s():
    weight = keras.Variable(1.0)
    theirs = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=2.0**15, dynamic_growth_steps=3
    )
    theirs.build([weight])
    ours = LossScale(growth_steps=3)
    moves = []
    for overflows in np.random.default_rng(0).random(60) < 0.2:
        theirs.apply([tf.constant(np.inf if overflows else 1.0)], [weight])
        ours.update(tf.constant(not overflows))
        assert float(ours.value) == float(theirs.dynamic_scale)
        moves.append(float(ours.value))
    assert len(set(moves)) > 4

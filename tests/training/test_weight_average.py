import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build, shallow
from tests.training.test_step import batches, make_step, weights
from tnet_tf.models.weights.names import variable_names
from tnet_tf.training.devices import make_strategy
from tnet_tf.training.weight_average import WeightAverage


def values(model):
    return {name: variable.numpy() for name, variable in variable_names(model).items()}


@pytest.mark.parametrize("devices", [1, 2])
def test_the_average_is_exponential_after_a_short_start(devices):
    decay, steps = 0.4, 6
    with make_strategy(devices).scope():
        step = make_step(make_network=shallow)
        step.average = WeightAverage(step.model, decay)
    expected = weights(step)
    data = step.strategy.experimental_distribute_dataset(batches(steps))
    for number, batch in enumerate(data, start=1):
        step(batch)
        d = min(decay, (1 + number) / (10 + number))
        expected = {n: d * expected[n] + (1 - d) * v for n, v in weights(step).items()}
    assert (1 + steps) / (10 + steps) > decay
    found = values(step.average.model)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    assert any((found[name] != value).any() for name, value in weights(step).items())
    assert any("moving_variance" in name for name in found)


def test_the_start_is_tensorflow_s():
    model = shallow()
    ours = WeightAverage(model, 0.9)
    (weight, *_) = model.trainable_variables
    updates = tf.Variable(0)
    theirs = tf.train.ExponentialMovingAverage(0.9, num_updates=updates)
    theirs.apply([weight.value])
    for step in range(1, 4):
        weight.assign(weight + step)
        ours.update(tf.constant(step))
        updates.assign(step)
        theirs.apply([weight.value])
    (average, *_) = ours.model.trainable_variables
    np.testing.assert_allclose(average, theirs.average(weight.value), rtol=1e-5)


def test_the_average_computes_in_its_precision_with_weights_in_float32():
    average = WeightAverage(build(), 0.9, "bfloat16")
    features, _ = average.model.feature_extraction(tf.zeros((1, 32, 32, 3)))
    assert features.dtype == tf.bfloat16
    assert {weight.dtype for weight in average.model.weights} == {"float32"}

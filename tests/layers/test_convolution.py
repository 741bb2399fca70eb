import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.layers import runtime
from tnet_tf.layers.convolution import (
    NormalizedConvolution,
    NormalizedDepthwiseConvolution,
    short_silu,
)

PLAIN = functools.partial(NormalizedConvolution, 8)
VALID = functools.partial(NormalizedConvolution, 8, padding="valid")
SYMMETRIC = functools.partial(NormalizedConvolution, 8, padding="symmetric", groups=2)


def trained(make=PLAIN, levels=1, stride=1, activation="silu"):
    """A layer whose BatchNorm has seen something."""
    layer = make(3, stride, activation=activation, levels=levels)
    layer.build((None, None, None, 6))
    random = np.random.default_rng(0)
    for weight in layer.weights:
        low = 0.5 if "gamma" in weight.path or "variance" in weight.path else -1
        weight.assign(random.uniform(low, 1.5, weight.shape))
    return layer


def unfolded(layer, inputs, level):
    """Keras's convolution, then the definition of BatchNorm, then the activation."""
    outputs, own = layer.convolution(inputs), layer.normalization
    mean, variance = own.moving_mean[level - 1], own.moving_variance[level - 1]
    outputs = (outputs - mean) / tf.sqrt(variance + own.epsilon)
    return layer.activation(outputs * own.gamma[level - 1] + own.beta[level - 1])


@pytest.mark.parametrize("made_for", [runtime.TENSORFLOW, runtime.ONEDNN, runtime.OTHER])
@pytest.mark.parametrize("make", [PLAIN, VALID, SYMMETRIC, NormalizedDepthwiseConvolution])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("activation", ["silu", "relu", None])
def test_inference_is_convolution_batchnorm_and_activation(made_for, make, stride, activation):
    layer = trained(make, 2, stride, activation)
    inputs = tf.random.stateless_uniform((2, 9, 7, 6), (1, 2), -1, 1)
    for level in (1, 2):
        with runtime.traced_for(made_for):
            outputs = tf.function(layer)(inputs, level=level)
        np.testing.assert_allclose(outputs, unfolded(layer, inputs, level), atol=2e-5)


def test_weights_that_change_are_seen_by_a_compiled_inference():
    layer = trained()
    compiled = tf.function(layer)
    inputs = tf.random.stateless_uniform((1, 8, 8, 6), (1, 2))
    before = compiled(inputs)
    layer.normalization.moving_mean[0].assign_add(tf.ones(8))
    after = compiled(inputs)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, unfolded(layer, inputs, 1), atol=2e-5)


def test_bfloat16_inference_is_near_float32():
    layer = trained()
    inputs = tf.random.stateless_uniform((1, 8, 8, 6), (1, 2), -1, 1)
    with_policy = NormalizedConvolution(8, 3, dtype="mixed_bfloat16")
    with_policy.build((None, None, None, 6))
    with_policy.set_weights(layer.get_weights())
    outputs = with_policy(inputs)
    assert outputs.dtype == tf.bfloat16
    expected = layer(inputs)
    error = np.abs(tf.cast(outputs, tf.float32) - expected).max()
    assert 0 < error < 0.02 * np.abs(expected).max()


def test_the_gradient_of_inference_is_that_of_its_parts():
    layer = trained()
    inputs = tf.random.stateless_uniform((1, 8, 8, 6), (1, 2), -1, 1)
    gradients = []
    for function in (tf.function(layer), lambda x: unfolded(layer, x, 1)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(function(inputs) ** 2)
        gradients.append(tape.gradient(total, inputs))
    np.testing.assert_allclose(*gradients, rtol=1e-3, atol=1e-3)


def test_short_silu_and_its_gradient_are_silu_s():
    values = tf.constant([-200.0, -20.0, -1.0, 0.0, 0.3, 5.0, 200.0])
    found = []
    for function in (short_silu, keras.activations.silu):
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = function(values)
        found.append((outputs, tape.gradient(outputs, values)))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("make", [PLAIN, SYMMETRIC, NormalizedDepthwiseConvolution])
def test_training_has_the_gradients_of_keras_layers(make):
    """Convolution, BatchNorm and silu by Keras; ours computes values anew in the gradient."""
    layer = trained(make)
    filters = layer.normalization.gamma[0].shape[0]
    normalization = keras.layers.BatchNormalization(epsilon=layer.normalization.epsilon)
    normalization.build((None, None, None, filters))
    normalization.gamma.assign(layer.normalization.gamma[0])
    normalization.beta.assign(layer.normalization.beta[0])
    inputs = tf.random.stateless_uniform((4, 9, 7, 6), (1, 2), -1, 1)
    upstream = tf.random.stateless_uniform((4, 9, 7, filters), (3, 4), -1, 1)

    def ours(inputs):
        return layer(inputs, training=True)

    def theirs(inputs):
        return keras.activations.silu(normalization(layer.convolution(inputs), training=True))

    found = []
    for function, norm in ((ours, layer.normalization), (theirs, normalization)):
        scale, shift = norm.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.function(function)(inputs)
        sources = [inputs, layer.convolution.kernel.value, scale.value, shift.value]
        found.append([outputs, *tape.gradient(outputs, sources, upstream)])
    for mine, keras_s in zip(*found, strict=True):
        np.testing.assert_allclose(mine, keras_s, rtol=1e-3, atol=2e-4)

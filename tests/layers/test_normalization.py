import keras
import numpy as np
import tensorflow as tf

from tnet_tf.layers.normalization import BatchNormalization


def test_one_set_of_weights_is_keras_batch_normalisation():
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    values = tf.random.normal((8, 6, 5, 3), 2.0, 3.0)
    for _ in range(3):
        np.testing.assert_allclose(
            ours(values, training=True), theirs(values, training=True), atol=2e-5
        )
    np.testing.assert_allclose(ours.moving_mean[0].numpy(), theirs.moving_mean.numpy(), rtol=1e-5)
    # Ours is the fused kernel's unbiased variance, n / (n - 1) of the biased one.
    count = 8 * 6 * 5
    kept = 0.99**3
    unbiased = kept + (theirs.moving_variance.numpy() - kept) * count / (count - 1)
    np.testing.assert_allclose(ours.moving_variance[0].numpy(), unbiased, rtol=1e-5)


def test_inference_uses_the_moving_averages():
    layer = BatchNormalization()
    layer.build((None, None, None, 2))
    layer.moving_mean[0].assign([1.0, -1.0])
    layer.moving_variance[0].assign([4.0, 9.0])
    layer.gamma[0].assign([2.0, 1.0])
    layer.beta[0].assign([0.5, 0.0])
    values = np.array([3.0, 2.0], np.float32).reshape(1, 1, 1, 2)
    expected = [2 * (3 - 1) / np.sqrt(4 + 1e-3) + 0.5, (2 + 1) / np.sqrt(9 + 1e-3)]
    np.testing.assert_allclose(np.ravel(layer(values)), expected, rtol=1e-5)


def test_levels_keep_their_own_statistics_and_later_levels_reuse_the_last():
    layer = BatchNormalization(levels=2)
    first, second = tf.random.normal((4, 8, 8, 3)), tf.random.normal((4, 8, 8, 3), 5.0)
    for _ in range(600):
        layer(first, level=1, training=True)
        layer(second, level=2, training=True)
    for values, level in ((first, 1), (second, 2), (second, 3)):
        outputs = layer(values, level=level)
        np.testing.assert_allclose(tf.reduce_mean(outputs, (0, 1, 2)), np.zeros(3), atol=0.05)
    assert abs(float(tf.reduce_mean(layer(second, level=1)))) > 2


def test_gradients_agree_with_keras():
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    values, weight = tf.random.normal((4, 5, 5, 3)), tf.random.normal((4, 5, 5, 3))
    gradients = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(layer(values, training=True) * weight)
        gradients.append(tape.gradient(loss, values))
    np.testing.assert_allclose(*gradients, atol=1e-4)

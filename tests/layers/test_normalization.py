import keras
import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.layers.normalization import BatchNormalization
from tnet_tf.training.devices import make_strategy


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


def over_replicas(layer, values, weights):
    """Outputs and gradients of sum(outputs * weights), of halves on two devices, put together."""
    strategy = make_strategy(2)

    def halve(array):
        halves = np.split(array, 2)
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(halves[context.replica_id_in_sync_group])
        )

    @tf.function
    def replica(values, weights):
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = layer(values, training=True)
            loss = tf.reduce_sum(outputs * weights)
        sources = [values, layer.gamma[0].value, layer.beta[0].value]
        return outputs, *tape.gradient(loss, sources)

    results = strategy.run(replica, args=(halve(values), halve(weights)))
    outputs, of_values, of_gamma, of_beta = map(strategy.experimental_local_results, results)
    joined = [np.concatenate(parts) for parts in (outputs, of_values)]
    return [*joined, sum(of_gamma).numpy(), sum(of_beta).numpy()]


def in_float64(values, weights, epsilon=1e-3):
    """The same by the formulas of Ioffe and Szegedy (2015), of one whole batch."""
    values, weights = values.astype(np.float64), weights.astype(np.float64)
    axes, count = (0, 1, 2), values[..., 0].size
    scale = 1 / np.sqrt(values.var(axes) + epsilon)
    normal = (values - values.mean(axes)) * scale
    of_gamma, of_beta = (weights * normal).sum(axes), weights.sum(axes)
    of_values = scale * (weights - of_beta / count - normal * of_gamma / count)
    return normal, of_values, of_gamma, of_beta


@pytest.mark.parametrize(
    ("mean", "deviation"),
    [(0.0, 1.0), (2.0, 3.0), (100.0, 1.0), (100.0, 0.01), (-1e4, 10.0), (1e4, 0.01), (1e5, 0.05)],
)
def test_replicas_normalise_as_one_device_however_large_the_mean(mean, deviation):
    random = np.random.default_rng(0)
    values = random.normal(mean, deviation, (8, 6, 5, 3)).astype(np.float32)
    weights = random.normal(0, 1, values.shape).astype(np.float32)
    with make_strategy(2).scope():
        layer = BatchNormalization(momentum=0.0)
        layer.build((None, None, None, 3))
    found = over_replicas(layer, values, weights)
    for ours, exact in zip(found, in_float64(values, weights), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-5, atol=1e-5 * np.abs(exact).max())
    exact = values.astype(np.float64)
    np.testing.assert_allclose(layer.moving_mean[0], exact.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance[0], exact.var((0, 1, 2), ddof=1), rtol=1e-5)


def test_channels_without_any_deviation_are_normalised_to_zero_on_replicas():
    values = np.full((4, 3, 3, 2), 1234.5, np.float32)
    with make_strategy(2).scope():
        layer = BatchNormalization()
        layer.build((None, None, None, 2))
    outputs, of_values, _, _ = over_replicas(layer, values, np.ones_like(values))
    np.testing.assert_allclose(outputs, 0, atol=1e-5)
    np.testing.assert_allclose(of_values, 0, atol=1e-4)


@pytest.mark.parametrize("value", [59034680.0, 160223744.0, 14802813952.0])
def test_rounding_leaves_no_negative_variance_on_replicas(value):
    """The mean of such equal values is rounded, and then so are the squares of what is left."""
    values = np.full((2, 33, 31, 2), value, np.float32)
    with make_strategy(2).scope():
        layer = BatchNormalization(momentum=0.0)
        layer.build((None, None, None, 2))
    for result in over_replicas(layer, values, np.ones_like(values)):
        assert np.isfinite(result).all()
    assert (layer.moving_variance[0].numpy() >= 0).all()

import numpy as np
import tensorflow as tf

from tnet_tf.layers.dropout import Dropout
from tnet_tf.layers.randomness import keyed_randomness


def test_inference_leaves_values_alone():
    values = tf.random.normal((3, 4))
    np.testing.assert_array_equal(Dropout(0.9)(values), values)


def test_kept_values_are_scaled_so_that_the_mean_stays():
    outputs = Dropout(0.25)(tf.ones((200, 200)), training=True).numpy()
    np.testing.assert_allclose(np.unique(outputs), [0, 1 / 0.75], rtol=1e-6)
    assert abs(outputs.mean() - 1) < 0.02


def test_spatial_dropout_drops_whole_channels():
    outputs = Dropout(0.5, shared_axes=(1, 2))(tf.ones((8, 5, 5, 32)), training=True).numpy()
    assert (outputs == outputs[:, :1, :1]).all()
    assert 0 < (outputs[:, 0, 0] == 0).mean() < 1


def test_stochastic_depth_drops_whole_examples():
    outputs = Dropout(0.5, shared_axes=(1, 2, 3))(tf.ones((64, 3, 3, 2)), training=True).numpy()
    assert (outputs == outputs[:, :1, :1, :1]).all()
    assert 0 < (outputs[:, 0, 0, 0] == 0).mean() < 1


def test_a_key_decides_what_is_dropped_and_draws_differ_from_each_other():
    layer, values = Dropout(0.5), tf.ones((4, 64))

    @tf.function
    def twice(key):
        with keyed_randomness(key):
            return layer(values, training=True), layer(values, training=True)

    first, again, other = (
        twice(tf.constant([0, 1])),
        twice(tf.constant([0, 1])),
        twice(tf.constant([0, 2])),
    )
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0].numpy() != other[0].numpy()).any()
    assert (first[0].numpy() != first[1].numpy()).any()

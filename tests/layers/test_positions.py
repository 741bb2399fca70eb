import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.layers.positions import CoordinateChannels, positional_encoding


@pytest.mark.parametrize("size", [320, 512, 60])
def test_encodings_hold_the_waves_of_y_x_and_scale(size):
    count = size // 6
    frequencies = [(1 / 100) ** (t / (count - 1)) for t in range(count)]
    x, y, scale = 7, 2, 1
    expected = [
        wave(p * f) for p in (y, x, scale) for wave in (np.sin, np.cos) for f in frequencies
    ]
    expected += [0.0] * (size - 6 * count)
    encoding = positional_encoding(tf.constant([[x, y, scale]]), size)
    np.testing.assert_allclose(encoding[0], expected, atol=1e-5)


def test_positions_far_apart_or_of_other_scales_have_other_encodings():
    positions = tf.constant([[0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 0, 2], [24, 24, 2]])
    encodings = positional_encoding(positions, 120).numpy()
    distances = np.linalg.norm(encodings[:, None] - encodings[None], axis=-1)
    assert distances[~np.eye(5, dtype=bool)].min() > 0.5


def test_coordinate_channels_start_as_ramps_vertical_first():
    layer = CoordinateChannels()
    outputs = layer(tf.ones((2, 3, 5, 4)))
    assert outputs.shape == (2, 3, 5, 6)
    np.testing.assert_allclose(outputs[0, :, 0, 4], [-1, 0, 1])
    np.testing.assert_allclose(outputs[1, 0, :, 5], [-1, -0.5, 0, 0.5, 1])

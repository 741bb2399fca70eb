import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.inputs import boxes


def test_a_box_that_leaves_the_image_is_none():
    box = tf.constant((0.0, 0.0, 0.01, 0.01))
    assert not boxes.clip_box(box - 0.5).numpy().any()


def test_box_of_a_quarter_turn():
    # Counter-clockwise: what is right goes up. A box in the right half of a square, near its edge.
    result = boxes.rotate_box(
        tf.constant((0.4, 0.8, 0.6, 0.9)),
        tf.constant(np.pi / 2, tf.float32),
        *tf.constant((50.0, 50.0)),
    )
    np.testing.assert_allclose(result, (0.1, 0.4, 0.2, 0.6), atol=1e-6)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, (0.2, 0.2, 0.6, 0.8)), (-0.5, (0.2, 0.6, 0.6, 1.0)), (0.0, (0.2, 0.5, 0.6, 0.9))],
)
def test_box_of_a_shear(share, expected):
    # Its first row moves by 0.1, its last one by 0.3 of the width.
    result = boxes.shear_box(tf.constant((0.2, 0.5, 0.6, 0.9)), tf.constant(share))
    np.testing.assert_allclose(result, expected, atol=1e-6)

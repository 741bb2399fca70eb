"""keras-cv against SciPy and Keras: what is used of it must do what its name says.

keras-cv is no longer developed. Keras' own `affine_transform` gives the same pixels, so that it can
take its place.
"""

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tnet_tf.inputs import keras_cv_augmentation


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).uniform(0, 1, (41, 61, 3)).astype(np.float32)


def assert_nearest(result, expected, image):
    """Nearly all pixels agree, up to those between two; and none is mixed of several."""
    assert (np.asarray(result) == expected).all(-1).mean() > 0.99
    colors = {pixel.tobytes() for pixel in image.reshape(-1, 3)} | {np.zeros(3, "f4").tobytes()}
    assert {pixel.tobytes() for pixel in np.reshape(result, (-1, 3))} <= colors


@pytest.mark.parametrize("degrees", [-90.0, -20.0, 0.0, 7.5, 180.0])
def test_rotates_counter_clockwise_around_the_centre(image, degrees):
    turned = keras_cv_augmentation.rotate(image, tf.constant(np.deg2rad(degrees), tf.float32))
    expected = scipy.ndimage.rotate(image, degrees, reshape=False, order=0, mode="grid-constant")
    assert_nearest(turned, expected, image)


@pytest.mark.parametrize("shift", [(0.1, -0.2), (0.0, 0.0), (-0.333, 0.05)])
def test_translates_down_and_to_the_right(image, shift):
    moved = keras_cv_augmentation.translate(image, tf.constant(shift))
    pixels = (shift[0] * image.shape[0], shift[1] * image.shape[1], 0)
    expected = scipy.ndimage.shift(image, pixels, order=0, mode="grid-constant")
    assert_nearest(moved, expected, image)


def by_keras(image, transformation):
    """Each pixel (x, y) of the result is the image's at (a x + b y + c, d x + e y + f)."""
    return keras.ops.image.affine_transform(
        image[np.newaxis],
        np.float32([[*transformation, 0, 0]]),
        interpolation="nearest",
        fill_mode="constant",
        data_format="channels_last",
    )[0]


@pytest.mark.parametrize("degrees", [-33.0, 7.5, 20.0])
def test_rotates_as_keras_does(image, degrees):
    angle = np.deg2rad(degrees)
    (y, x), cosine, sine = (np.array(image.shape[:2]) - 1) / 2, np.cos(angle), np.sin(angle)
    turning = (cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y)
    turned = keras_cv_augmentation.rotate(image, tf.constant(angle, tf.float32))
    np.testing.assert_array_equal(turned, by_keras(image, turning))


@pytest.mark.parametrize("shift", [(0.1, -0.2), (-0.333, 0.05)])
def test_translates_as_keras_does(image, shift):
    down, right = np.multiply(shift, image.shape[:2])
    moved = keras_cv_augmentation.translate(image, tf.constant(shift))
    np.testing.assert_array_equal(moved, by_keras(image, (1, 0, -right, 0, 1, -down)))


def test_outside_is_black():
    white = tf.ones((30, 30, 3))
    assert keras_cv_augmentation.rotate(white, tf.constant(0.3))[0, 0, 0] == 0
    assert keras_cv_augmentation.translate(white, tf.constant((0.5, 0.0)))[0, 0, 0] == 0

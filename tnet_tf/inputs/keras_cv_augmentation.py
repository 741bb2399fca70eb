"""Rotation and translation by keras-cv, with the transformation given instead of drawn.

The layers draw from their own stateful generator. Here only their image arithmetic is used, with
angles and shifts from keyed draws, so results do not depend on how often a layer ran before. The
import costs a second and happens only for configurations that rotate or translate.

Pixels are the nearest ones of the original, as in the published code, where that was its library's
default.
"""

import functools

import keras_cv
import tensorflow as tf

# The layers make a random generator, which is never drawn from. Without a seed it would be the
# program's global one, which TensorFlow refuses to make where operations must be deterministic.
_UNUSED_SEED = 1


@functools.cache
def _rotation() -> keras_cv.layers.RandomRotation:
    # Outside of any graph: the generator is a variable, and tf.data calls this while it traces.
    with tf.init_scope():
        return keras_cv.layers.RandomRotation(
            factor=1.0,
            fill_mode="constant",
            fill_value=0.0,
            interpolation="nearest",
            seed=_UNUSED_SEED,
        )


@functools.cache
def _translation() -> keras_cv.layers.RandomTranslation:
    with tf.init_scope():
        return keras_cv.layers.RandomTranslation(
            height_factor=1.0,
            width_factor=1.0,
            fill_mode="constant",
            fill_value=0.0,
            interpolation="nearest",
            seed=_UNUSED_SEED,
        )


def rotate(image: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    """Turns an image counter-clockwise around its centre, nearest pixels, black outside.

    Args:
      image: (height, width, channels) float32.
      angle: () float32 in radians.

    Returns:
      float32, same shape.
    """
    return _rotation().augment_images(image[tf.newaxis], {"angles": angle[tf.newaxis]})[0]


def translate(image: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Moves an image down and to the right, nearest pixels, black outside.

    Args:
      image: (height, width, channels) float32.
      shift: (2,) float32, shares of height and width; negative moves up and left.

    Returns:
      float32, same shape.
    """
    transformations = {
        "height_translations": shift[tf.newaxis, :1],
        "width_translations": shift[tf.newaxis, 1:],
    }
    return _translation().augment_images(image[tf.newaxis], transformations)[0]

"""Scenes of one handwritten digit among look-alike fragments, composed inside the input pipeline.

A task for hard attention that needs no download: the digit is small, the fragments are cut from
other digits, so a thumbnail shows at best where something complete stands and only a closer look
tells which digit it is. The digits are the 1797 of scikit-learn's `load_digits` (UCI optical
recognition of handwritten digits).
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

CLASSES = tuple(str(digit) for digit in range(10))

# Every number of the task. Records prepared with other numbers are refused (see `settings`).
DIGIT_SIDE = 1 / 10  # of the scene's shorter side
FRAGMENT_SIDE = 1 / 2  # of the digit's side
FRAGMENTS = 8  # drawn per scene; one that would touch the digit is left out
BACKGROUND = 128  # pixel value of the empty scene; ink is brighter
VALIDATION_SCENES = 500
TEST_SCENES = 1000

# Of nine digits in a row six are for training, one for validation and two for the test. Nine and
# ten (scikit-learn repeats 0 .. 9) have no common factor, so each class is spread over the splits.
_SPLIT_OF_REMAINDER = {"validation": (0,), "test": (1, 2), "train": (3, 4, 5, 6, 7, 8)}


def settings() -> dict[str, Any]:
    """The numbers that decide what the prepared scenes look like."""
    return {
        "digit_side": DIGIT_SIDE,
        "fragment_side": FRAGMENT_SIDE,
        "fragments": FRAGMENTS,
        "background": BACKGROUND,
        "validation_scenes": VALIDATION_SCENES,
        "test_scenes": TEST_SCENES,
    }


@functools.cache
def digits_of(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The digits of one split; the splits have no digit in common.

    Args:
      split: 'train', 'validation' or 'test'.

    Returns:
      Images, (n, 8, 8, 1) uint8 in 0 .. 255, and labels, (n,) int64 in 0 .. 9.
    """
    from sklearn.datasets import load_digits  # imported where needed: it takes a second

    digits = load_digits()
    chosen = np.isin(np.arange(len(digits.target)) % 9, _SPLIT_OF_REMAINDER[split])
    images = np.round(digits.images[chosen] * (255 / 16)).astype(np.uint8)
    return images[..., np.newaxis], digits.target[chosen].astype(np.int64)


def digit_side(height: int, width: int) -> int:
    """Side in pixels of the digit in a scene of `height` x `width`."""
    return max(1, round(min(height, width) * DIGIT_SIDE))


def fragment_side(height: int, width: int) -> int:
    """Side in pixels of the fragments in a scene of `height` x `width`."""
    return max(1, round(digit_side(height, width) * FRAGMENT_SIDE))


def compose(
    digit: tf.Tensor, key: tf.Tensor, digits: tf.Tensor, height: int, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Composes one scene; a pure function of its arguments.

    Args:
      digit: (8, 8, 1) uint8 or float32 in 0 .. 255, shown complete at a random place.
      key: (2,) int seed of the stateless random numbers.
      digits: (n, 8, 8, 1) float32 in 0 .. 255, from which fragments are cut.
      height: of the scene in pixels.
      width: of the scene in pixels.

    Returns:
      The scene, (height, width, 1) uint8, and the digit's box, (4,) float32 of y_min, x_min,
      y_max, x_max as fractions of the scene.
    """
    side, part = digit_side(height, width), fragment_side(height, width)
    # One draw for everything: at this size an operation costs its dispatch, not its arithmetic.
    draws = tf.random.stateless_uniform((FRAGMENTS + 1, 5), key)
    place = _place(draws[0, :2], side, height, width)
    places = _place(draws[1:, :2], part, height, width)
    apart = tf.reduce_any((places + part <= place) | (places >= place + side), axis=1)
    fragments = _cut(digits, draws[1:, 2], draws[1:, 3:], part)
    fragments *= tf.cast(apart, tf.float32)[:, tf.newaxis, tf.newaxis, tf.newaxis]
    scene = _paste(
        [
            (tf.image.resize(digit, (side, side))[tf.newaxis], place[tf.newaxis]),
            (fragments, places),
        ],
        height,
        width,
    )
    corners = tf.concat([place, place + side], axis=0)
    return scene, tf.cast(corners, tf.float32) / (height, width, height, width)


def _place(draws: tf.Tensor, side: int, height: int, width: int) -> tf.Tensor:
    """Upper left corners, (..., 2) int32, of squares wholly inside the scene."""
    return tf.cast(draws * (height - side + 1, width - side + 1), tf.int32)


def _cut(digits: tf.Tensor, which: tf.Tensor, where: tf.Tensor, side: int) -> tf.Tensor:
    """Random parts of random digits, (n, side, side, 1) float32, at the whole digit's scale."""
    count = tf.shape(digits)[0]
    indices = tf.cast(which * tf.cast(count, tf.float32), tf.int32)
    starts = where * (1 - FRAGMENT_SIDE)
    boxes = tf.concat([starts, starts + FRAGMENT_SIDE], axis=1)
    return tf.image.crop_and_resize(digits, boxes, indices, (side, side))


def _paste(patches: list[tuple[tf.Tensor, tf.Tensor]], height: int, width: int) -> tf.Tensor:
    """Grey scene, (height, width, 1) uint8, with square patches; the brighter pixel wins."""
    values, indices = [], []
    for images, places in patches:
        side = np.arange(images.shape[1], dtype=np.int32)
        pixels = (side[:, np.newaxis] * width + side).reshape(1, -1)
        corners = places[:, 0] * width + places[:, 1]
        indices.append(tf.reshape(corners[:, tf.newaxis] + pixels, (-1, 1)))
        values.append(tf.reshape(BACKGROUND + images * ((255 - BACKGROUND) / 255), (-1,)))
    canvas = tf.fill((height * width,), float(BACKGROUND))
    scene = tf.tensor_scatter_nd_max(canvas, tf.concat(indices, 0), tf.concat(values, 0))
    return tf.cast(tf.reshape(scene, (height, width, 1)), tf.uint8)

"""Augmentation of training images, each step a pure function of the image and a key (appendix 2.2).

Images are (height, width, channels) float32 or uint8 as each function says, boxes as in
`tnet_tf.inputs.boxes`.
"""

import math

import tensorflow as tf

from tnet_tf.config import DataConfig
from tnet_tf.inputs import auto_augment
from tnet_tf.inputs.boxes import clip_box, has_area, rotate_box, shear_box
from tnet_tf.inputs.crops import RANDOM_CROPS, Pair

RESIZE_METHODS = (
    "bilinear",
    "lanczos3",
    "lanczos5",
    "bicubic",
    "gaussian",
    "nearest",
    "area",
    "mitchellcubic",
)

BRIGHTNESS = 32 / 255
SATURATION = (0.5, 1.5)
HUE = 0.2
CONTRAST = (0.5, 1.5)

# One of these is chosen at random; the last leaves the colours alone.
COLOR_ORDERS = (
    ("brightness", "saturation", "hue", "contrast"),
    ("saturation", "brightness", "contrast", "hue"),
    ("contrast", "hue", "brightness", "saturation"),
    ("hue", "saturation", "contrast", "brightness"),
    (),
)


def augment(image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, data: DataConfig) -> Pair:
    """Applies what `data` asks for: crop, resize, flip, AutoAugment, color, translate, rotate.

    Args:
      image: uint8 (any height, any width, 1 or 3).
      box: (4,) float32.
      key: (2,) int32; the same key gives the same result.
      data: which steps, how far, and the size to resize to.

    Returns:
      float32 (*data.image_size, 1 or 3) in [0, 1] and the box on it.
    """
    crop, resize, flip, color, move, turn, policy = tf.unstack(tf.random.split(key, 7))
    if data.random_crop:
        random_crop = RANDOM_CROPS[data.crop_method]
        image, box = random_crop(image, box, crop, data.least_crop_area, data.crop_aspect)
    if data.random_resize:
        image = random_resize(image, data.image_size, resize)
    else:
        image = bilinear(image, data.image_size)
    image = image / 255
    if data.random_flip:
        image, box = random_flip(image, box, flip)
    if data.auto_augment:
        image, box = random_policy(image, box, policy)
    if data.color_distortion:
        image = distort_color(image, color)
    if data.translation:
        image, box = random_translation(image, box, move, data.translation)
    if data.rotation:
        image, box = random_rotation(image, box, turn, data.rotation)
    return image, box


def bilinear(image: tf.Tensor, size: tuple[int, ...]) -> tf.Tensor:
    """Bilinear resize, pixel centres at halves, no antialiasing; float32 in the image's range."""
    return tf.cast(tf.image.resize(image, size, "bilinear", antialias=False), tf.float32)


def random_resize(image: tf.Tensor, size: tuple[int, ...], key: tf.Tensor) -> tf.Tensor:
    """Resizes by one of `RESIZE_METHODS`, each as likely as the other.

    Args:
      image: (height, width, channels) uint8.
      size: new height and width.
      key: (2,) int32.

    Returns:
      (*size, channels) float32 in [0, 255]; what sharp kernels overshoot is clipped.
    """

    def resized(method: str) -> tf.Tensor:
        return tf.cast(tf.image.resize(image, size, method, antialias=False), tf.float32)

    choice = tf.random.stateless_uniform((), key, 0, len(RESIZE_METHODS), tf.int32)
    image = tf.switch_case(
        choice, [lambda method=method: resized(method) for method in RESIZE_METHODS]
    )
    return tf.clip_by_value(image, 0, 255)


def random_flip(image: tf.Tensor, box: tf.Tensor, key: tf.Tensor) -> Pair:
    """Flips image and box left to right with probability 0.5."""
    flipped = tf.random.stateless_uniform((), key) < 0.5
    image = tf.cond(flipped, lambda: tf.reverse(image, [1]), lambda: image)
    y_min, x_min, y_max, x_max = tf.unstack(box)
    mirrored = tf.stack([y_min, 1 - x_max, y_max, 1 - x_min])
    return image, tf.where(flipped & has_area(box), mirrored, box)


def random_policy(image: tf.Tensor, box: tf.Tensor, key: tf.Tensor) -> Pair:
    """Applies a sub-policy of `auto_augment.IMAGENET_POLICY`; the box follows turns and shears.

    Args:
      image: float32 (height, width, 1 or 3) in [0, 1].
      box: (4,) float32.
      key: (2,) int32.

    Returns:
      (height, width, 3) float32 in [0, 1], and the upright box around what the box became, clipped.
    """
    if image.shape[-1] == 1:
        image = tf.image.grayscale_to_rgb(image)
    choice = auto_augment.draw(key)
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
    for operation, magnitude in zip(*map(tf.unstack, choice), strict=True):
        there = has_area(box)
        turned = rotate_box(box, magnitude * (math.pi / 180), height, width)
        sheared = shear_box(box, magnitude * height / width)
        box = tf.where(there & (operation == auto_augment.ROTATE), turned, box)
        box = tf.where(there & (operation == auto_augment.SHEAR_X), sheared, box)
    return auto_augment.apply(image, choice), box


def distort_color(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Distorts brightness, saturation, hue and contrast in one of four orders, or not at all.

    Args:
      image: float32 (height, width, 1 or 3) in [0, 1].
      key: (2,) int32.

    Returns:
      (height, width, 3) float32, clipped to [0, 1].
    """
    if image.shape[-1] == 1:
        image = tf.image.grayscale_to_rgb(image)
    choice_key, *keys = tf.unstack(tf.random.split(key, 5))
    adjust = {
        "brightness": lambda x: tf.image.stateless_random_brightness(x, BRIGHTNESS, keys[0]),
        "saturation": lambda x: tf.image.stateless_random_saturation(x, *SATURATION, keys[1]),
        "hue": lambda x: tf.image.stateless_random_hue(x, HUE, keys[2]),
        "contrast": lambda x: tf.image.stateless_random_contrast(x, *CONTRAST, keys[3]),
    }

    def distorted(order: tuple[str, ...]) -> tf.Tensor:
        result = image
        for name in order:
            result = adjust[name](result)
        return result

    choice = tf.random.stateless_uniform((), choice_key, 0, len(COLOR_ORDERS), tf.int32)
    image = tf.switch_case(choice, [lambda order=order: distorted(order) for order in COLOR_ORDERS])
    return tf.clip_by_value(image, 0, 1)


def random_translation(image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, limit: float) -> Pair:
    """Moves image and box by up to `limit` of each side; black comes in from outside.

    Each pixel takes the nearest one's value, as does a turned image's: no colours are mixed.

    Args:
      image: (height, width, channels) float32 in [0, 1].
      box: (4,) float32.
      key: (2,) int32.
      limit: largest share of a side, 0 to 1.

    Returns:
      The moved image, same shape, and the part of the moved box that is still in view.
    """
    from tnet_tf.inputs import keras_cv_augmentation  # optional and slow to import

    shift = tf.random.stateless_uniform((2,), key, -limit, limit)
    moved = clip_box(box + tf.tile(shift, [2]))
    image = keras_cv_augmentation.translate(image, shift)
    return image, tf.where(has_area(box), moved, box)


def random_rotation(image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, limit: float) -> Pair:
    """Turns the image around its centre by up to `limit` degrees; corners become black.

    Args:
      image: (height, width, channels) float32 in [0, 1].
      box: (4,) float32.
      key: (2,) int32.
      limit: largest angle in degrees, 0 to 180.

    Returns:
      The turned image, same shape, and the upright box around the turned box's corners, clipped.
    """
    from tnet_tf.inputs import keras_cv_augmentation  # optional and slow to import

    angle = tf.random.stateless_uniform((), key, -limit, limit) * (math.pi / 180)
    image_sides = tf.cast(tf.shape(image)[:2], tf.float32)
    turned = rotate_box(box, angle, image_sides[0], image_sides[1])
    image = keras_cv_augmentation.rotate(image, angle)
    return image, tf.where(has_area(box), turned, box)

"""Augmentation of training images, each step a pure function of the image and a key (appendix 2.2).

Images are float32 or uint8 (height, width, channels) as each function says; boxes are float32 (4,):
y_min, x_min, y_max, x_max as fractions of the image. All zeros means that there is no box.
"""

import math

import tensorflow as tf

from tnet_tf.config import DataConfig
from tnet_tf.inputs import auto_augment

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

CROP_COVERS = 0.1  # of the box

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

Pair = tuple[tf.Tensor, tf.Tensor]


def augment(image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, data: DataConfig) -> Pair:
    """Applies what `data` asks for: crop, resize, flip, AutoAugment, color, translate, rotate.

    Args:
      image: uint8 (any height, any width, 1 or 3).
      box: float32 (4,).
      key: int32 (2,); the same key gives the same result.
      data: which steps, how far, and the size to resize to.

    Returns:
      float32 (*data.image_size, 1 or 3) in [0, 1] and the box on it.
    """
    crop, resize, flip, color, move, turn, policy = tf.unstack(tf.random.split(key, 7))
    if data.random_crop:
        image, box = random_crop(image, box, crop, data.crop_area, data.crop_aspect)
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
      image: uint8 (height, width, channels).
      size: new height and width.
      key: int32 (2,).

    Returns:
      float32 (*size, channels) in [0, 255]; what sharp kernels overshoot is clipped.
    """

    def resized(method: str) -> tf.Tensor:
        return tf.cast(tf.image.resize(image, size, method, antialias=False), tf.float32)

    choice = tf.random.stateless_uniform((), key, 0, len(RESIZE_METHODS), tf.int32)
    image = tf.switch_case(
        choice, [lambda method=method: resized(method) for method in RESIZE_METHODS]
    )
    return tf.clip_by_value(image, 0, 255)


def random_crop(
    image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, area: float = 0.85, aspect: float = 0.5
) -> Pair:
    """Crops a part of the image that covers at least 0.1 of the box.

    Args:
      image: (height, width, channels) of any dtype.
      box: float32 (4,).
      key: int32 (2,).
      area: least share of the image's area, above 0; the largest is 1.
      aspect: least width / height, above 0 to 1; the largest is its inverse.

    Returns:
      The crop, and the part of the box in it relative to the crop.
    """
    whole = tf.constant([0.0, 0.0, 1.0, 1.0])
    begin, size, region = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.where(has_area(box), box, whole)[tf.newaxis, tf.newaxis],
        seed=key,
        min_object_covered=CROP_COVERS,
        aspect_ratio_range=(aspect, 1 / aspect),
        area_range=(area, 1.0),
        max_attempts=100,
    )
    channels = image.shape[-1]
    image = tf.slice(image, begin, size)
    image.set_shape((None, None, channels))
    return image, box_in_region(box, region[0, 0])


def crop_to_box(image: tf.Tensor, box: tf.Tensor) -> Pair:
    """The pixels that the box touches (Table 2, "BBoxes"); the whole image where there is no box.

    Args:
      image: (height, width, channels) of any dtype.
      box: float32 (4,).

    Returns:
      The region and the box on it: all of it, or zeros where there was none.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    first = tf.cast(tf.floor(box[:2] * sides + 1e-3), tf.int32)
    last = tf.cast(tf.math.ceil(box[2:] * sides - 1e-3), tf.int32)
    region = image[first[0] : last[0], first[1] : last[1]]
    there = has_area(box)
    region = tf.cond(there, lambda: region, lambda: image)
    region.set_shape((None, None, image.shape[-1]))
    return region, tf.where(there, tf.constant([0.0, 0.0, 1.0, 1.0]), tf.zeros(4))


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
      box: float32 (4,).
      key: int32 (2,).

    Returns:
      float32 (height, width, 3) in [0, 1], and the upright box around what the box became, clipped.
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
      key: int32 (2,).

    Returns:
      float32 (height, width, 3), clipped to [0, 1].
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

    Args:
      image: float32 (height, width, channels) in [0, 1].
      box: float32 (4,).
      key: int32 (2,).
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
      image: float32 (height, width, channels) in [0, 1].
      box: float32 (4,).
      key: int32 (2,).
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


def rotate_box(box: tf.Tensor, angle: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The upright box, float32 (4,), around a box turned counter-clockwise around the centre.

    Args:
      box: float32 (4,) as fractions.
      angle: float32 () in radians.
      height: of the image in pixels, float32 ().
      width: of the image in pixels, float32 ().
    """
    corners_y = (tf.gather(box, [0, 0, 2, 2]) - 0.5) * height
    corners_x = (tf.gather(box, [1, 3, 1, 3]) - 0.5) * width
    # Rows grow downwards, so the counter-clockwise turn has its sines' signs exchanged.
    y = (tf.cos(angle) * corners_y - tf.sin(angle) * corners_x) / height + 0.5
    x = (tf.sin(angle) * corners_y + tf.cos(angle) * corners_x) / width + 0.5
    least, most = tf.reduce_min, tf.reduce_max
    return clip_box(tf.stack([least(y), least(x), most(y), most(x)]))


def shear_box(box: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """The upright box, float32 (4,), around a box whose rows move to the left.

    Args:
      box: float32 (4,) as fractions.
      share: of the width by which the last row moves, float32 (); the first one stays.
    """
    y_min, x_min, y_max, x_max = tf.unstack(box)
    shifts = share * tf.stack([y_min, y_max])
    left, right = x_min - tf.reduce_max(shifts), x_max - tf.reduce_min(shifts)
    return clip_box(tf.stack([y_min, left, y_max, right]))


def box_in_region(box: tf.Tensor, region: tf.Tensor) -> tf.Tensor:
    """The part of a box inside a region, float32 (4,), as fractions of the region."""
    origin, sides = region[:2], region[2:] - region[:2]
    moved = (box - tf.tile(origin, [2])) / tf.tile(sides, [2])
    return tf.where(has_area(box), clip_box(moved), box)


def clip_box(box: tf.Tensor) -> tf.Tensor:
    """The part of a box inside the image; zeros if nothing is left."""
    box = tf.clip_by_value(box, 0, 1)
    return tf.where(has_area(box), box, tf.zeros_like(box))


def has_area(box: tf.Tensor) -> tf.Tensor:
    """Whether there is a box, bool ()."""
    return tf.reduce_all(box[2:] > box[:2])

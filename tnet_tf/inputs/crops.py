"""Crops of images: two random ones to train on, and the one around a bounding box.

Images are (height, width, channels) of any dtype, boxes as in `tnet_tf.inputs.boxes`.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from tnet_tf.inputs.boxes import box_in_region, has_area

Pair = tuple[tf.Tensor, tf.Tensor]

COVERS = 0.1  # of the box
TRIES = 10  # of `random_resized_crop`

# Least share of the image's width that a box takes, and the margin around it as a factor of its
# sides, half of it on each side; the last one is that of all smaller boxes.
MARGINS = ((0.5, 0.15), (0.4, 0.2), (0.3, 0.3), (0.2, 0.5), (0.1, 1.0), (0.0, 2.0))


def distorted_bounding_box(
    image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, area: float = 0.85, aspect: float = 0.5
) -> Pair:
    """TensorFlow's crop, on which TNet was trained (appendix 2.2.1).

    The crop covers at least `COVERS` of the box, or of the whole image where there is none, so that
    without a box no crop is smaller than that. Where 100 tries find none, the image stays whole:
    with the published settings (85% of the area, aspect 1/2 to 2) every image beyond 2.35 : 1.

    Args:
      image: (height, width, channels).
      box: (4,) float32.
      key: (2,) int32.
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
        min_object_covered=COVERS,
        aspect_ratio_range=(aspect, 1 / aspect),
        area_range=(area, 1.0),
        max_attempts=100,
    )
    return _cut(image, begin[:2], size[:2]), box_in_region(box, region[0, 0])


def random_resized_crop(
    image: tf.Tensor, box: tf.Tensor, key: tf.Tensor, area: float = 0.08, aspect: float = 0.75
) -> Pair:
    """Torchvision's RandomResizedCrop without the resize, on which MGNet was trained.

    Area and logarithm of the aspect are uniform. The first of ten draws that fits into the image is
    placed anywhere with equal chance; where none fits, the crop is central and as large as the
    aspect allows. The box has no say in it.

    Args:
      image: (height, width, channels).
      box: (4,) float32.
      key: (2,) int32.
      area: least share of the image's area, above 0; the largest is 1.
      aspect: least width / height, above 0 to 1; the largest is its inverse.

    Returns:
      The crop, and the part of the box in it relative to the crop; zeros where none is left.
    """
    area_key, aspect_key, place_key = tf.unstack(tf.random.split(key, 3))
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    height, width = tf.unstack(sides)
    areas = tf.random.stateless_uniform((TRIES,), area_key, area, 1.0) * height * width
    limit = -math.log(aspect)
    aspects = tf.exp(tf.random.stateless_uniform((TRIES,), aspect_key, -limit, limit))
    sizes = tf.round(tf.sqrt(tf.stack([areas / aspects, areas * aspects], axis=1)))
    fits = tf.reduce_all((sizes > 0) & (sizes <= sides), axis=1)
    central = tf.minimum(sides, tf.round(tf.stack([width, height]) / aspect))
    size = tf.where(tf.reduce_any(fits), sizes[tf.argmax(fits)], central)
    places = tf.floor(tf.random.stateless_uniform((2,), place_key) * (sides - size + 1))
    begin = tf.where(tf.reduce_any(fits), tf.minimum(places, sides - size), (sides - size) // 2)
    region = tf.concat([begin, begin + size], axis=0) / tf.tile(sides, [2])
    crop = _cut(image, tf.cast(begin, tf.int32), tf.cast(size, tf.int32))
    return crop, box_in_region(box, region)


RANDOM_CROPS: dict[str, Callable[..., Pair]] = {
    "distorted_bounding_box": distorted_bounding_box,
    "random_resized_crop": random_resized_crop,
}
"""By `DataConfig.crop_method`; all take (image, box, key, area, aspect)."""


def crop_to_box(image: tf.Tensor, box: tf.Tensor) -> Pair:
    """The box and what is around it (Table 2, "BBoxes"); the whole image where there is no box.

    The smaller the box, the more of its surroundings is shown, as fMoW's published baseline does:
    see `MARGINS`. The image clips the region, which takes in every pixel that it touches.

    Args:
      image: (height, width, channels).
      box: (4,) float32.

    Returns:
      The region, and the box on it.
    """
    there = has_area(box)
    box_sides = box[2:] - box[:2]
    least, margins = (tf.constant(column) for column in zip(*MARGINS, strict=True))
    # Fractions of pixels that should be 0.5 may fall short of it in their last digit.
    margin = margins[tf.argmax(box_sides[1] >= least - 1e-6)]
    around = tf.concat([-box_sides, box_sides], axis=0) * margin / 2
    unclipped = tf.where(there, box + around, tf.constant([0.0, 0.0, 1.0, 1.0]))
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    first = tf.clip_by_value(tf.floor(unclipped[:2] * sides + 1e-3), 0, sides - 1)
    last = tf.clip_by_value(tf.math.ceil(unclipped[2:] * sides - 1e-3), first + 1, sides)
    region = tf.concat([first, last], axis=0) / tf.tile(sides, [2])
    crop = _cut(image, tf.cast(first, tf.int32), tf.cast(last - first, tf.int32))
    return crop, box_in_region(box, region)


def _cut(image: tf.Tensor, begin: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """The pixels from `begin`, (2,) int32, on; `size` of them, (2,) int32."""
    cut = tf.slice(image, tf.concat([begin, [0]], 0), tf.concat([size, [-1]], 0))
    cut.set_shape((None, None, image.shape[-1]))
    return cut

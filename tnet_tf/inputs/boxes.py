"""Bounding boxes and how they follow what is done to their image.

A box is (4,) float32: y_min, x_min, y_max, x_max as fractions of the image. All zeros means that
there is no box.
"""

import tensorflow as tf


def rotate_box(box: tf.Tensor, angle: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The upright box, (4,) float32, around a box turned counter-clockwise around the centre.

    Args:
      box: (4,) float32 as fractions.
      angle: () float32 in radians.
      height: of the image in pixels, () float32.
      width: of the image in pixels, () float32.
    """
    corners_y = (tf.gather(box, [0, 0, 2, 2]) - 0.5) * height
    corners_x = (tf.gather(box, [1, 3, 1, 3]) - 0.5) * width
    # Rows grow downwards, so the counter-clockwise turn has its sines' signs exchanged.
    y = (tf.cos(angle) * corners_y - tf.sin(angle) * corners_x) / height + 0.5
    x = (tf.sin(angle) * corners_y + tf.cos(angle) * corners_x) / width + 0.5
    least, most = tf.reduce_min, tf.reduce_max
    return clip_box(tf.stack([least(y), least(x), most(y), most(x)]))


def shear_box(box: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """The upright box, (4,) float32, around a box whose rows move to the left.

    Args:
      box: (4,) float32 as fractions.
      share: of the width by which the last row moves, () float32; the first one stays.
    """
    y_min, x_min, y_max, x_max = tf.unstack(box)
    shifts = share * tf.stack([y_min, y_max])
    left, right = x_min - tf.reduce_max(shifts), x_max - tf.reduce_min(shifts)
    return clip_box(tf.stack([y_min, left, y_max, right]))


def box_in_region(box: tf.Tensor, region: tf.Tensor) -> tf.Tensor:
    """The part of a box inside a region, (4,) float32, as fractions of the region."""
    origin, sides = region[:2], region[2:] - region[:2]
    moved = (box - tf.tile(origin, [2])) / tf.tile(sides, [2])
    return tf.where(has_area(box), clip_box(moved), box)


def clip_box(box: tf.Tensor) -> tf.Tensor:
    """The part of a box inside the image; zeros if nothing is left."""
    box = tf.clip_by_value(box, 0, 1)
    return tf.where(has_area(box), box, tf.zeros_like(box))


def has_area(box: tf.Tensor) -> tf.Tensor:
    """Whether there is a box, () bool."""
    return tf.reduce_all(box[2:] > box[:2])

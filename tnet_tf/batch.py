"""What is read, trained on and evaluated: images with their labels, a batch at a time."""

from typing import NamedTuple

import tensorflow as tf


class Batch(NamedTuple):
    """A batch of n labelled images; its fields are tensors, or NumPy arrays where stated.

    The first dimension of every field is n, so that batches can be put together and taken apart.

    Attributes:
      images: (n, H, W, 3) float32 in [-1, 1].
      labels: (n,) int32, indices of classes.
      boxes: (n, 4) float32, the object as (y_min, x_min, y_max, x_max), fractions of the image side
        in [0, 1]; zeros where there is no box.
      mask: (n,) float32, 1 for examples, 0 for rows that only fill up the last batch of a split.
    """

    images: tf.Tensor
    labels: tf.Tensor
    boxes: tf.Tensor
    mask: tf.Tensor

    @classmethod
    def of(cls, images: tf.Tensor, labels: tf.Tensor, boxes: tf.Tensor | None = None) -> "Batch":
        """A batch that is not filled up, from images in memory.

        Args:
          images: (n, H, W, 3) float32 in [-1, 1].
          labels: (n,) int32.
          boxes: (n, 4) float32; None: there are none.

        Example:
          >>> batch = Batch.of(tf.zeros((2, 64, 64, 3)), tf.constant([3, 7]))
          >>> batch.boxes.shape, batch.mask.numpy().tolist()
          (TensorShape([2, 4]), [1.0, 1.0])
        """
        count = len(labels)
        return cls(images, labels, tf.zeros((count, 4)) if boxes is None else boxes, tf.ones(count))

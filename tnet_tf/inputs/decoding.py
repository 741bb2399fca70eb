"""Encoded images to pixels: the one decoder of training, and of prepare where it tries images."""

import tensorflow as tf


def decode(encoded: bytes | tf.Tensor, channels: int = 3) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or GIF (its first frame).

    Args:
      encoded: () string.
      channels: 1 or 3.

    Returns:
      (height, width, channels) uint8.

    Raises:
      tf.errors.InvalidArgumentError: the image is damaged or of another format.
    """
    return tf.io.decode_image(encoded, channels=channels, expand_animations=False)

"""Encodings of where a region lies: sines and cosines, and coordinate channels."""

from typing import Any

import keras
import tensorflow as tf


def positional_encoding(positions: tf.Tensor, size: int) -> tf.Tensor:
    """Encodes position triplets by sines and cosines (appendix 2.1.5).

    With m = size // 6 frequencies (1/100) ** (t / (m - 1)), t = 0 .. m - 1, the blocks are sin y,
    cos y, sin x, cos x, sin s, cos s, and zeros up to `size`. This is the published code; the
    appendix prints t = 0 .. m and the x blocks first, which would not fit `size`.

    Args:
      positions: (n, 3) triplets (x, y, scale), see `tnet_tf.layers.grid.Regions`.
      size: length N of an encoding, at least 12.

    Returns:
      (n, size) float32.
    """
    count = size // 6
    frequencies = 0.01 ** (tf.range(count, dtype=tf.float32) / (count - 1))
    x, y, scale = tf.unstack(tf.cast(positions, tf.float32), axis=1)
    angles = [axis[:, tf.newaxis] * frequencies for axis in (y, x, scale)]
    blocks = [wave(angle) for angle in angles for wave in (tf.sin, tf.cos)]
    return tf.pad(tf.concat(blocks, axis=1), [[0, 0], [0, size - 6 * count]])


@keras.saving.register_keras_serializable(package="tnet_tf")
class CoordinateChannels(keras.layers.Layer):
    """Appends two channels that tell each grid cell where it is (appendix 2.1.4).

    A linear ramp in [-1, 1] per axis goes through its own 1 -> 1 linear layer; the vertical channel
    comes before the horizontal one.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.vertical = keras.layers.Dense(1, kernel_initializer="ones", name="vertical")
        self.horizontal = keras.layers.Dense(1, kernel_initializer="ones", name="horizontal")

    def build(self, input_shape: Any) -> None:
        """Makes the two linear layers."""
        self.vertical.build((None, 1))
        self.horizontal.build((None, 1))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps (n, h, w, C) to (n, h, w, C + 2)."""
        batch, height, width = tf.unstack(tf.shape(inputs)[:3])
        vertical = self.vertical(tf.linspace(-1.0, 1.0, height)[:, tf.newaxis])
        horizontal = self.horizontal(tf.linspace(-1.0, 1.0, width)[:, tf.newaxis])
        ramps = [
            tf.broadcast_to(tf.reshape(vertical, (1, height, 1, 1)), (batch, height, width, 1)),
            tf.broadcast_to(tf.reshape(horizontal, (1, 1, width, 1)), (batch, height, width, 1)),
        ]
        return tf.concat([inputs, *(tf.cast(ramp, inputs.dtype) for ramp in ramps)], axis=-1)

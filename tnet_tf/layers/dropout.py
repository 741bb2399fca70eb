"""Layers that drop units, channels or whole residual branches in training."""

from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers.randomness import keep_mask


@keras.saving.register_keras_serializable(package="tnet_tf")
class Dropout(keras.layers.Layer):
    """Drops entries in training and scales the rest up, with keyed randomness.

    Args:
      rate: probability of dropping, 0 to below 1.
      shared_axes: axes along which entries are dropped together: () drops single units, (1, 2)
        whole channels of a feature map (spatial dropout, appendix 2.2.1), (1, 2, 3) the whole map
        of an example (stochastic depth of a residual branch, appendix 2.2.2).
    """

    def __init__(self, rate: float, shared_axes: tuple[int, ...] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate
        self.shared_axes = tuple(shared_axes)

    def build(self, input_shape: Any = None) -> None:
        """Has no weights."""
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns `inputs`, with entries dropped when `training`."""
        if not training or self.rate == 0:
            return inputs
        shape = tf.unstack(tf.shape(inputs))
        for axis in self.shared_axes:
            shape[axis] = tf.constant(1)
        return inputs * keep_mask(tf.stack(shape), self.rate, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "rate": self.rate, "shared_axes": self.shared_axes}

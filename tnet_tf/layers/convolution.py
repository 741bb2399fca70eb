"""Convolution blocks of the backbones (appendix table 1)."""

from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers.initializers import convolution_initializer
from tnet_tf.layers.normalization import BatchNormalization


class NormalizedConvolution(keras.layers.Layer):
    """Convolution without bias -> BatchNorm -> activation, "same" padding.

    Args:
      filters: output channels; None: a depthwise convolution, which keeps them.
      kernel: size of the window.
      stride: its step.
      activation: None, or the name of a Keras activation.
      levels: sets of BatchNorm weights, see `BatchNormalization`.
      momentum: of BatchNorm's moving averages.
    """

    def __init__(
        self,
        filters: int | None,
        kernel: int,
        stride: int = 1,
        activation: str | None = "silu",
        levels: int = 1,
        momentum: float = 0.99,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if filters is None:
            self.convolution: keras.layers.Layer = keras.layers.DepthwiseConv2D(
                kernel,
                stride,
                padding="same",
                use_bias=False,
                depthwise_initializer=convolution_initializer(),
                name="convolution",
            )
        else:
            self.convolution = keras.layers.Conv2D(
                filters,
                kernel,
                stride,
                padding="same",
                use_bias=False,
                kernel_initializer=convolution_initializer(),
                name="convolution",
            )
        self.normalization = BatchNormalization(levels, momentum, name="normalization")
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for (n, h, w, C) inputs."""
        self.convolution.build(input_shape)
        self.normalization.build(self.convolution.compute_output_shape(input_shape))
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the map that comes out."""
        return self.convolution.compute_output_shape(input_shape)

    def call(self, inputs: tf.Tensor, level: int = 1, training: bool = False) -> tf.Tensor:
        """Maps (n, h, w, C) to (n, h / stride, w / stride, filters)."""
        outputs = self.convolution(inputs)
        return self.activation(self.normalization(outputs, level=level, training=training))


class SqueezeExcitation(keras.layers.Layer):
    """Squeeze and excitation (appendix table 1): context gates the channels.

    Args:
      units: of the squeezed vector.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        """Makes the two dense layers for (n, .., C) inputs."""
        channels = input_shape[-1]
        self.reduce = keras.layers.Dense(
            self.units, "silu", kernel_initializer=convolution_initializer(), name="reduce"
        )
        self.expand = keras.layers.Dense(
            channels, "sigmoid", kernel_initializer=convolution_initializer(), name="expand"
        )
        self.reduce.build((None, channels))
        self.expand.build((None, self.units))
        self.built = True

    def gate(self, context: tf.Tensor) -> tf.Tensor:
        """Maps context vectors (.., C) to gates (.., C) in [0, 1]."""
        return self.expand(self.reduce(context))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Gates (n, h, w, C) maps by their spatial mean."""
        gate = self.gate(tf.reduce_mean(inputs, axis=(1, 2)))
        return tf.multiply(inputs, gate[:, tf.newaxis, tf.newaxis], name="gated")

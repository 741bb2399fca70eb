"""Convolution blocks of the backbones (appendix table 1, and the ResNet family's)."""

import abc
import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers import runtime
from tnet_tf.layers.grouped_convolution import SymmetricConvolution
from tnet_tf.layers.initializers import convolution_initializer
from tnet_tf.layers.normalization import BatchNormalization


class _Normalized(keras.layers.Layer, abc.ABC):
    """A convolution without bias -> BatchNorm -> activation.

    Inference folds BatchNorm into the convolution, which takes one pass over the map instead of
    three.

    Args:
      convolution: the layer.
      activation: None, or the name of a Keras activation.
      levels: sets of BatchNorm weights, see `BatchNormalization`.
      momentum: of BatchNorm's moving averages.
      epsilon: of BatchNorm.
    """

    def __init__(
        self,
        convolution: keras.layers.Layer,
        activation: str | None = "silu",
        levels: int = 1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.convolution = convolution
        self.normalization = BatchNormalization(levels, momentum, epsilon, name="normalization")
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
        has_silu = self.activation is keras.activations.silu
        if training:
            convolved = self.convolution(inputs)
            outputs, *affine = self.normalization.normalize(convolved, level)
            return silu(outputs, convolved, *affine) if has_silu else self.activation(outputs)
        outputs = self._folded(inputs, level)
        # Without a gradient of its own TensorFlow fuses silu with the convolution before it.
        return outputs * tf.sigmoid(outputs) if has_silu else self.activation(outputs)

    def _folded(self, inputs: tf.Tensor, level: int) -> tf.Tensor:
        """Convolution and BatchNorm at once, as inference can."""
        scale, shift = self.normalization.scale_and_shift(level)
        kernel = tf.cast(tf.convert_to_tensor(self.convolution.kernel), tf.float32)
        outputs = self._convolve(inputs, tf.cast(self._scaled(kernel, scale), inputs.dtype))
        return tf.nn.bias_add(outputs, tf.cast(shift, inputs.dtype))

    def _scaled(self, kernel: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """The kernel with every output channel times its number in `scale`, (filters,)."""
        return kernel * scale

    @abc.abstractmethod
    def _convolve(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution with another kernel of the same shape."""


class NormalizedConvolution(_Normalized):
    """Convolution without bias -> BatchNorm -> activation.

    Args:
      filters: output channels.
      kernel: size of the window.
      stride: its step.
      padding: 'same' or 'valid', as Keras's; or 'symmetric', PyTorch's, see `SymmetricConvolution`.
      groups: parts of the channels that do not see each other; more than 1 with symmetric padding.
      **settings: activation ('silu'), levels, momentum and epsilon of BatchNorm, and Keras's own.
    """

    def __init__(
        self,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: str = "same",
        groups: int = 1,
        **settings: Any,
    ):
        if padding == "symmetric":
            convolution: keras.layers.Layer = SymmetricConvolution(
                filters, kernel, stride, groups, name="convolution"
            )
        else:
            convolution = keras.layers.Conv2D(
                filters,
                kernel,
                stride,
                padding=padding,
                groups=groups,
                use_bias=False,
                kernel_initializer=convolution_initializer(),
                name="convolution",
            )
        super().__init__(convolution, **settings)

    def _convolve(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if isinstance(self.convolution, SymmetricConvolution):
            return self.convolution.convolve(inputs, kernel)
        padding = self.convolution.padding.upper()
        return tf.nn.conv2d(inputs, kernel, self.convolution.strides, padding)


class NormalizedDepthwiseConvolution(_Normalized):
    """Depthwise convolution without bias -> BatchNorm -> activation; it keeps the channels.

    Args:
      kernel: size of the window.
      stride: its step.
      **settings: see `NormalizedConvolution`.
    """

    def __init__(self, kernel: int, stride: int = 1, **settings: Any):
        convolution = keras.layers.DepthwiseConv2D(
            kernel,
            stride,
            padding="same",
            use_bias=False,
            depthwise_initializer=convolution_initializer(),
            name="convolution",
        )
        super().__init__(convolution, **settings)

    def _scaled(self, kernel: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        return kernel * scale[:, tf.newaxis]

    def _convolve(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        strides = self.convolution.strides
        if runtime.current() == runtime.ONEDNN:
            # The same kernel of oneDNN, but only this operation is fused with silu.
            kernel = tf.reshape(kernel, (*kernel.shape[:2], 1, -1))
            return tf.nn.conv2d(inputs, kernel, strides, "SAME")
        return tf.nn.depthwise_conv2d(inputs, kernel, (1, *strides, 1), "SAME")


def silu(values: tf.Tensor, source: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """silu, x * sigmoid(x), of x = source * scale + shift, which the gradient computes anew.

    So x need not be kept for the gradient, which saves training a quarter of its memory.

    Args:
      values: x, (n, h, w, C).
      source: of the same shape.
      scale: (C,) float32.
      shift: (C,) float32.
    """

    @tf.custom_gradient
    def activate(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return _compiled_silu_gradient()(upstream, source, scale, shift)

        return values * tf.sigmoid(values), gradient

    return activate(values)


@functools.cache
def _compiled_silu_gradient() -> Callable[..., tf.Tensor]:
    """`_silu_gradient` by XLA: one pass over memory, where TensorFlow's operations make six.

    Not where there are GPUs, for which XLA needs tools of CUDA that are not on every machine.
    """
    return tf.function(_silu_gradient, jit_compile=not tf.config.list_physical_devices("GPU"))


def _silu_gradient(
    upstream: tf.Tensor, source: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor
) -> tf.Tensor:
    values = tf.cast(source, tf.float32) * scale + shift
    gate = tf.sigmoid(values)
    return upstream * tf.cast(gate * (1 + values * (1 - gate)), upstream.dtype)


def short_silu(vectors: tf.Tensor) -> tf.Tensor:
    """silu, x * sigmoid(x), of a few numbers, such as vectors.

    TensorFlow's kernel for silu takes 0.1 ms to start, more than it takes to compute this.
    """
    return vectors * (0.5 * tf.tanh(0.5 * vectors) + 0.5)


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
            self.units, short_silu, kernel_initializer=convolution_initializer(), name="reduce"
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

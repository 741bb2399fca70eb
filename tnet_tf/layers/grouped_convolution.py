"""Convolutions as PyTorch has them: symmetric padding, and channels in groups."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers import runtime
from tnet_tf.layers.grid import Size
from tnet_tf.layers.initializers import residual_initializer
from tnet_tf.layers.pixels import image_size


class SymmetricConvolution(keras.layers.Layer):
    """Convolution without bias whose zero padding is half a kernel on every side.

    With a stride, TensorFlow's "same" padding puts the odd pixel at the end; PyTorch's networks
    have it on both sides, and weights trained with the one do not fit the other.

    Args:
      filters: output channels.
      kernel: size of the window, odd.
      stride: its step, 1 or 2.
      groups: parts of the channels that do not see each other; divides both numbers of channels.
    """

    def __init__(self, filters: int, kernel: int, stride: int = 1, groups: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.size, self.groups = filters, kernel, groups
        self.strides = (stride, stride)

    def build(self, input_shape: Any) -> None:
        """Makes the kernel (size, size, C / groups, filters) for (n, h, w, C) inputs."""
        self.kernel = self.add_weight(
            shape=(self.size, self.size, input_shape[-1] // self.groups, self.filters),
            initializer=residual_initializer(),
            name="kernel",
        )
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the map that comes out."""
        sides = (None if side is None else -(-side // self.strides[0]) for side in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps (n, h, w, C) to (n, ceil(h / stride), ceil(w / stride), filters)."""
        return self.convolve(inputs, tf.convert_to_tensor(self.kernel))

    def convolve(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """`call` with another kernel of the same shape."""
        # A graph made for inference can't be frozen and saved with a gradient of our own.
        learns = runtime.current() == runtime.TENSORFLOW
        if self.groups > 1 and learns and not tf.config.list_physical_devices("GPU"):
            return grouped_convolution(inputs, kernel, self.strides[0])
        return _convolution(inputs, kernel, self.strides[0])


def grouped_convolution(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """A convolution in groups with a gradient on processors, where TensorFlow has none.

    Args:
      inputs: (n, h, w, groups * c).
      kernel: (size, size, c, filters), size odd; the filters of a group are neighbours.
      stride: 1 or 2.

    Returns:
      (n, ceil(h / stride), ceil(w / stride), filters); padding is symmetric.
    """

    @tf.custom_gradient
    def convolve(
        inputs: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (
                _input_gradient(upstream, kernel, stride, tf.shape(inputs), inputs.shape[-1]),
                _kernel_gradient(upstream, inputs, kernel.shape, stride),
            )

        return _convolution(inputs, kernel, stride), gradient

    return convolve(inputs, kernel)


def _convolution(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    size = kernel.shape[0]
    if stride == 1 or size == 1:
        return tf.nn.conv2d(inputs, kernel, stride, "SAME")
    # Not as the operation's own explicit padding, whose gradient is up to 30 times slower.
    paddings = [_padding(side, size, stride) for side in image_size(inputs)]
    padded = tf.pad(inputs, [[0, 0], *paddings, [0, 0]])
    return tf.nn.conv2d(padded, kernel, stride, "VALID")


def _padding(side: Size, size: int, stride: int) -> list[Size]:
    """Zeros before and after one axis: half a kernel, but after it only as far as windows reach."""
    windows = (side + stride - 1) // stride
    return [size // 2, (windows - 1) * stride + size - side - size // 2]


def _input_gradient(
    upstream: tf.Tensor, kernel: tf.Tensor, stride: int, shape: tf.Tensor, channels: int
) -> tf.Tensor:
    """Convolves with the flipped kernel, input and output of every group exchanged."""
    size, _, inner, filters = kernel.shape
    groups = channels // inner
    flipped = tf.reshape(kernel[::-1, ::-1], (size, size, inner, groups, filters // groups))
    flipped = tf.reshape(tf.transpose(flipped, (0, 1, 4, 3, 2)), (size, size, -1, channels))
    out = tf.shape(upstream)
    if stride > 1:  # What a stride has skipped is zero.
        spread = upstream[:, :, tf.newaxis, :, tf.newaxis]
        gaps = [[0, 0], [0, 0], [0, stride - 1], [0, 0], [0, stride - 1], [0, 0]]
        upstream = tf.reshape(
            tf.pad(spread, gaps), (out[0], out[1] * stride, out[2] * stride, filters)
        )
    before = size - 1 - size // 2
    after = [tf.maximum(shape[axis] - out[axis] * stride - before + size - 1, 0) for axis in (1, 2)]
    padded = tf.pad(upstream, [[0, 0], [before, after[0]], [before, after[1]], [0, 0]])
    gradient = tf.nn.conv2d(padded, flipped, 1, "VALID")
    if size < stride:  # The last gap may lie beyond the input.
        gradient = gradient[:, : shape[1], : shape[2]]
    return tf.ensure_shape(gradient, (None, None, None, channels))


def _kernel_gradient(
    upstream: tf.Tensor, inputs: tf.Tensor, shape: tf.TensorShape, stride: int
) -> tf.Tensor:
    """At every place of the window, the products of the inputs there with the gradients."""
    size, _, inner, filters = shape
    groups, half = inputs.shape[-1] // inner, size // 2
    rows, columns = tf.unstack(tf.shape(upstream)[1:3])
    padded = tf.pad(inputs, [[0, 0], [half, half], [half, half], [0, 0]])
    gradients = tf.transpose(tf.reshape(upstream, (-1, groups, filters // groups)), (1, 0, 2))
    places = []
    for row in range(size):
        for column in range(size):
            values = padded[:, row:, column:][:, ::stride, ::stride][:, :rows, :columns]
            values = tf.transpose(tf.reshape(values, (-1, groups, inner)), (1, 2, 0))
            places.append(tf.matmul(values, gradients))
    products = tf.reshape(tf.stack(places), (size, size, groups, inner, filters // groups))
    return tf.reshape(tf.transpose(products, (0, 1, 3, 2, 4)), shape)

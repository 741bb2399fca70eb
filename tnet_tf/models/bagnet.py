"""BagNet-77, the feature extraction module of the ImageNet experiments (appendix table 2)."""

import itertools
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.layers.dropout import Dropout
from tnet_tf.layers.receptive_field import Window
from tnet_tf.models.backbone import Backbone

LEAKY_SLOPE = 0.2


class Block(NamedTuple):
    """A row of appendix table 2."""

    kernel: int
    channels: int
    stride: int = 1
    padding: str = "same"


BLOCKS = (
    Block(3, 256, 2),
    Block(3, 256),
    Block(1, 256),
    Block(3, 512, 2),
    Block(3, 512),
    *[Block(1, 512)] * 2,
    Block(3, 1024, 2, "valid"),
    Block(3, 1024),
    *[Block(1, 1024)] * 4,
    Block(3, 2048, 1, "valid"),
    Block(3, 2048),
    Block(1, 2048),
)
STEM_CHANNELS, FEATURE_CHANNELS = 64, 512
# The last block of the 1024-channel group; its receptive field of 45 px is closest to a cell's.
GRID_BLOCK = 13


def block_groups() -> list[tuple[int, int]]:
    """Group of equal channels and number within it, both counted from 1, of every ConvBlock."""
    groups = itertools.groupby(BLOCKS, key=lambda block: block.channels)
    return [
        (group, member)
        for group, (_, blocks) in enumerate(groups, start=1)
        for member, _ in enumerate(blocks, start=1)
    ]


def leaky_relu(values: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU with the published slope."""
    return tf.nn.leaky_relu(values, LEAKY_SLOPE)


def leaky_convolution(
    filters: int, kernel: int, stride: int = 1, padding: str = "same", name: str = ""
) -> keras.layers.Conv2D:
    """Convolution with bias and leaky ReLU, Xavier-initialised; BagNet-77 has no BatchNorm."""
    return keras.layers.Conv2D(
        filters, kernel, stride, padding=padding, activation=leaky_relu, name=name
    )


class ConvBlock(keras.layers.Layer):
    """Bottleneck of three convolutions with a residual connection (appendix table 1).

    As in every ResNet, and in the published weights, the last activation follows the addition and
    the shortcut's convolution is linear; by the table, the activation would precede the addition.

    Args:
      block: the row of appendix table 2.
    """

    def __init__(self, block: Block, **kwargs: Any):
        super().__init__(**kwargs)
        self.block = block
        inside = block.channels // 4
        self.reduce = leaky_convolution(inside, 1, name="reduce")
        self.convolve = leaky_convolution(
            inside, block.kernel, block.stride, block.padding, name="convolve"
        )
        self.expand = keras.layers.Conv2D(block.channels, 1, name="expand")

    def build(self, input_shape: Any) -> None:
        """Makes the weights for (n, h, w, C_in) inputs."""
        inside = self.block.channels // 4
        self.reduce.build(input_shape)
        self.convolve.build((None, None, None, inside))
        self.expand.build((None, None, None, inside))
        self.shortcut = None
        if self.block.stride > 1 or input_shape[-1] != self.block.channels:
            self.shortcut = keras.layers.Conv2D(
                self.block.channels, 1, self.block.stride, name="shortcut"
            )
            self.shortcut.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps (n, h, w, C_in) to (n, h', w', channels)."""
        margin = (self.block.kernel - 1) // 2 if self.block.padding == "valid" else 0
        kept = inputs[:, margin:-margin, margin:-margin] if margin else inputs
        shortcut = kept if self.shortcut is None else self.shortcut(kept)
        return leaky_relu(self.expand(self.convolve(self.reduce(inputs))) + shortcut)


@keras.saving.register_keras_serializable(package="tnet_tf")
class BagNet77(Backbone):
    """BagNet-77 without its classifier; its receptive field is 77 x 77 px.

    Args:
      spatial_dropout: drop probability of the channels of the last map in training.
      input_statistics: 'symmetric', 'unit' or 'imagenet', see `InputStatistics`.

    Example:
      >>> features, grid_features = BagNet77()(tf.zeros((1, 77, 77, 3)))
      >>> features.shape, grid_features.shape
      (TensorShape([1, 512]), TensorShape([1, 9, 9, 1024]))
    """

    classifier_initializer = keras.initializers.GlorotUniform

    def __init__(
        self,
        spatial_dropout: float = 0.0,
        input_statistics: str = "symmetric",
        name: str | None = None,
    ):
        super().__init__(name, spatial_dropout=spatial_dropout, input_statistics=input_statistics)
        self.stem = leaky_convolution(STEM_CHANNELS, 3, padding="valid", name="stem")
        self.blocks = [
            ConvBlock(block, name=f"block{number}") for number, block in enumerate(BLOCKS, 1)
        ]
        self.top = leaky_convolution(FEATURE_CHANNELS, 1, name="top")
        self.dropout = Dropout(spatial_dropout, shared_axes=(1, 2), name="dropout")
        self.feature_channels = FEATURE_CHANNELS
        self.grid_block = GRID_BLOCK
        self.grid_channels = BLOCKS[GRID_BLOCK - 1].channels
        self.grid_windows = (
            Window(3, 1, "valid"),
            *(Window(row.kernel, row.stride, row.padding) for row in BLOCKS[:GRID_BLOCK]),
        )
        self.build((None, None, None, 3))

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.stem.build(input_shape)
        channels = STEM_CHANNELS
        for block in self.blocks:
            block.build((None, None, None, channels))
            channels = block.block.channels
        self.top.build((None, None, None, channels))
        self.built = True

    def maps(self, images: tf.Tensor, level: int, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Backbone`. All levels share all weights."""
        del level
        values, grid_features = self.through_blocks(self.blocks, self.stem(images))
        return self.dropout(self.top(values), training=training), grid_features

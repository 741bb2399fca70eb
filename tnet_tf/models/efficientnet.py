"""EfficientNet-B0 .. B4 as feature extraction modules (appendix tables 1 and 3)."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.layers.convolution import (
    NormalizedConvolution,
    NormalizedDepthwiseConvolution,
    SqueezeExcitation,
)
from tnet_tf.layers.dropout import Dropout
from tnet_tf.layers.receptive_field import Window
from tnet_tf.models.backbone import Backbone


class Stage(NamedTuple):
    """A group of MBConv blocks of B0: the first has the stride, the others step by one."""

    repeats: int
    kernel: int
    channels: int
    expansion: int
    stride: int


STAGES = (
    Stage(1, 3, 16, 1, 1),
    Stage(2, 3, 24, 6, 2),
    Stage(2, 5, 40, 6, 2),
    Stage(3, 3, 80, 6, 2),
    Stage(3, 5, 112, 6, 1),
    Stage(4, 5, 192, 6, 2),
    Stage(1, 3, 320, 6, 1),
)
STEM_CHANNELS, TOP_CHANNELS = 32, 1280


class Variant(NamedTuple):
    """How a variant differs from B0.

    Attributes:
      width: factor of channels.
      depth: factor of blocks per stage.
      grid_blocks: the MBConv block, counted from 1, whose output holds the grid features, by grid
        size; the entry of 5 serves every other size.
      published_slices: see `Backbone`.
    """

    width: float
    depth: float
    grid_blocks: dict[int, int]
    published_slices: Mapping[int, slice] = MappingProxyType({})


VARIANTS = {
    "b0": Variant(1.0, 1.0, {3: 8, 5: 6}),
    "b1": Variant(1.0, 1.1, {5: 7}, {5: slice(5, 22, 4)}),
    "b2": Variant(1.1, 1.2, {5: 7}, {5: slice(5, 22, 4)}),
    "b3": Variant(1.2, 1.4, {5: 7}, {5: slice(5, 22, 4)}),
    "b4": Variant(1.4, 1.8, {5: 8}, {5: slice(5, 22, 4)}),
}


class MBConv(keras.layers.Layer):
    """Inverted bottleneck with depthwise convolution and squeeze and excitation (table 1).

    The projection is linear; the input is added where the shape stays the same.

    Args:
      channels: of the output.
      kernel: of the depthwise convolution.
      stride: of the depthwise convolution.
      expansion: factor F by which channels grow inside; 1 leaves out the first convolution.
      drop: probability that an example skips the block in training (stochastic depth).
      levels: sets of BatchNorm weights.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: int,
        expansion: int,
        drop: float = 0.0,
        levels: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.channels, self.stride, self.expansion = channels, stride, expansion
        self.levels = levels
        self.depthwise = NormalizedDepthwiseConvolution(
            kernel, stride, levels=levels, name="depthwise"
        )
        self.project = NormalizedConvolution(
            channels, 1, activation=None, levels=levels, name="project"
        )
        self.drop_branch = Dropout(drop, shared_axes=(1, 2, 3), name="drop_branch")

    def build(self, input_shape: Any) -> None:
        """Makes the weights for (n, h, w, C_in) inputs."""
        inside = self.expansion * input_shape[-1]
        self.expand = None
        if self.expansion != 1:
            self.expand = NormalizedConvolution(inside, 1, levels=self.levels, name="expand")
            self.expand.build(input_shape)
        self.squeeze = SqueezeExcitation(max(1, input_shape[-1] // 4), name="squeeze")
        for layer in (self.depthwise, self.squeeze, self.project):
            layer.build((*input_shape[:-1], inside))
        self.residual = self.stride == 1 and input_shape[-1] == self.channels
        self.built = True

    def call(self, inputs: tf.Tensor, level: int = 1, training: bool = False) -> tf.Tensor:
        """Maps (n, h, w, C_in) to (n, h / stride, w / stride, channels)."""
        values = inputs
        if self.expand is not None:
            values = self.expand(values, level=level, training=training)
        values = self.depthwise(values, level=level, training=training)
        values = self.project(self.squeeze(values), level=level, training=training)
        if self.residual:
            values = self.drop_branch(values, training=training) + inputs
        return values


@keras.saving.register_keras_serializable(package="tnet_tf")
class EfficientNet(Backbone):
    """EfficientNet without its classifier.

    Args:
      variant: 'b0' .. 'b4'.
      grid: cells per side of the attention grid, which decides the block of the grid features.
      normalization_levels: sets of BatchNorm weights, see `BatchNormalization`.
      stochastic_depth: drop probability that the last block would have; block b of B drops with
        `stochastic_depth * b / B`, b counted from 0.
      input_statistics: 'symmetric', 'unit' or 'imagenet', see `InputStatistics`.

    Example:
      >>> features, grid_features = EfficientNet("b0", grid=3)(tf.zeros((1, 224, 224, 3)))
      >>> features.shape, grid_features.shape
      (TensorShape([1, 1280]), TensorShape([1, 14, 14, 80]))
    """

    def __init__(
        self,
        variant: str = "b0",
        grid: int = 5,
        normalization_levels: int = 1,
        stochastic_depth: float = 0.0,
        input_statistics: str = "symmetric",
        name: str | None = None,
    ):
        super().__init__(
            name,
            variant=variant,
            grid=grid,
            normalization_levels=normalization_levels,
            stochastic_depth=stochastic_depth,
            input_statistics=input_statistics,
        )
        self.variant = variant
        width, _, grid_blocks, self.published_slices = VARIANTS[variant]
        self.grid_block = grid_blocks.get(grid, grid_blocks[5])
        self.stem = NormalizedConvolution(
            round_channels(STEM_CHANNELS * width), 3, 2, levels=normalization_levels, name="stem"
        )
        rows = _blocks(variant)
        self.blocks = [
            MBConv(
                *row,
                drop=stochastic_depth * number / len(rows),
                levels=normalization_levels,
                name=f"block{number + 1}",
            )
            for number, row in enumerate(rows)
        ]
        self.feature_channels = round_channels(TOP_CHANNELS * width)
        self.top = NormalizedConvolution(
            self.feature_channels, 1, levels=normalization_levels, name="top"
        )
        self.grid_channels = rows[self.grid_block - 1][0]
        self.grid_windows = (
            Window(3, 2),
            *(Window(kernel, stride) for _, kernel, stride, _ in rows[: self.grid_block]),
        )
        self.build((None, None, None, 3))

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.stem.build(input_shape)
        channels = self.stem.convolution.filters
        for block in self.blocks:
            block.build((None, None, None, channels))
            channels = block.channels
        self.top.build((None, None, None, channels))
        self.built = True

    def maps(self, images: tf.Tensor, level: int, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Backbone`."""
        values = self.stem(images, level=level, training=training)
        values, grid_features = self.through_blocks(
            self.blocks, values, level=level, training=training
        )
        return self.top(values, level=level, training=training), grid_features


def round_channels(channels: float) -> int:
    """The multiple of 8 closest to `channels`, but no more than 10% below it."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def block_groups(variant: str) -> list[tuple[int, int]]:
    """Stage and number within the stage, both counted from 1, of every MBConv."""
    return [
        (stage, member)
        for stage, row in enumerate(STAGES, start=1)
        for member in range(1, math.ceil(row.repeats * VARIANTS[variant].depth) + 1)
    ]


def _blocks(variant: str) -> list[tuple[int, int, int, int]]:
    """(channels, kernel, stride, expansion) of every MBConv."""
    rows = ((STAGES[stage - 1], member) for stage, member in block_groups(variant))
    return [
        (
            round_channels(row.channels * VARIANTS[variant].width),
            row.kernel,
            row.stride if member == 1 else 1,
            row.expansion,
        )
        for row, member in rows
    ]

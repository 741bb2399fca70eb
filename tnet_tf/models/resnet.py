"""The ResNet family, MGNet's backbones (MGNet paper, 4), as PyTorch's reference has it."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.layers.convolution import NormalizedConvolution
from tnet_tf.layers.receptive_field import Window
from tnet_tf.models.backbone import Backbone

STEM_CHANNELS = 64
# Channels within the blocks of each stage, before `width` and `groups`; stages after the first
# halve the map.
STAGE_CHANNELS = (64, 128, 256, 512)
# A stage at whose end the map of a 224 px image still has 28 pixels a side.
GRID_STAGE = 2
NORMALIZATION = {"momentum": 0.9, "epsilon": 1e-5}


class Variant(NamedTuple):
    """One of the family.

    Attributes:
      repeats: blocks of each stage.
      bottleneck: blocks of 1 x 1, 3 x 3, 1 x 1 convolutions instead of two of 3 x 3.
      groups: of the 3 x 3 convolution of a bottleneck.
      width: channels of a bottleneck's 3 x 3 convolution, per group, in the first stage.
    """

    repeats: tuple[int, int, int, int]
    bottleneck: bool
    groups: int = 1
    width: int = 64


VARIANTS = {
    "resnet18": Variant((2, 2, 2, 2), bottleneck=False),
    "resnet34": Variant((3, 4, 6, 3), bottleneck=False),
    "resnet50": Variant((3, 4, 6, 3), bottleneck=True),
    "resnext50_32x4d": Variant((3, 4, 6, 3), bottleneck=True, groups=32, width=4),
    "wide_resnet50_2": Variant((3, 4, 6, 3), bottleneck=True, width=128),
}


class ResidualBlock(keras.layers.Layer):
    """Convolutions beside a shortcut, then ReLU; the shortcut is linear where shapes change.

    Args:
      convolutions: (filters, kernel, stride, groups) of each; all but the last end in ReLU.
      projects: whether the shortcut is a 1 x 1 convolution.
      levels: sets of BatchNorm weights.
    """

    def __init__(
        self,
        convolutions: list[tuple[int, int, int, int]],
        projects: bool,
        levels: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        last = len(convolutions)
        self.convolutions = [
            _normalized(
                *row, levels, None if number == last else "relu", name=f"convolution{number}"
            )
            for number, row in enumerate(convolutions, start=1)
        ]
        self.channels = convolutions[-1][0]
        self.shortcut = None
        if projects:
            stride = max(stride for _, _, stride, _ in convolutions)
            self.shortcut = _normalized(self.channels, 1, stride, 1, levels, None, name="shortcut")

    def build(self, input_shape: Any) -> None:
        """Makes the weights for (n, h, w, C) inputs."""
        if self.shortcut is not None:
            self.shortcut.build(input_shape)
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor, level: int = 1, training: bool = False) -> tf.Tensor:
        """Maps (n, h, w, C) to (n, h / stride, w / stride, channels)."""
        values, beside = inputs, inputs
        for convolution in self.convolutions:
            values = convolution(values, level=level, training=training)
        if self.shortcut is not None:
            beside = self.shortcut(inputs, level=level, training=training)
        return tf.nn.relu(values + beside)


@keras.saving.register_keras_serializable(package="tnet_tf")
class ResNet(Backbone):
    """ResNet-18, -34, -50, ResNeXt-50 32x4d or Wide ResNet-50-2, without the classifier.

    Args:
      variant: one of `VARIANTS`.
      max_pool: False leaves out the max-pooling after the first convolution (MGNet paper, 4.2:
        images of 64 px).
      normalization_levels: sets of BatchNorm weights, see `BatchNormalization`.
      input_statistics: 'symmetric', 'unit' or 'imagenet', see `InputStatistics`.

    Example:
      >>> features, _ = ResNet("resnet18", max_pool=False)(tf.zeros((2, 32, 32, 3)))
      >>> features.shape
      TensorShape([2, 512])
    """

    def __init__(
        self,
        variant: str = "resnet18",
        max_pool: bool = True,
        normalization_levels: int = 1,
        input_statistics: str = "symmetric",
        name: str | None = None,
    ):
        super().__init__(
            name,
            variant=variant,
            max_pool=max_pool,
            normalization_levels=normalization_levels,
            input_statistics=input_statistics,
        )
        self.variant, self.max_pool = variant, max_pool
        self.stem = _normalized(STEM_CHANNELS, 7, 2, 1, normalization_levels, "relu", name="stem")
        self.blocks = [
            ResidualBlock(*row, levels=normalization_levels, name=f"block{number}")
            for number, row in enumerate(_blocks(VARIANTS[variant]), start=1)
        ]
        self.feature_channels = self.blocks[-1].channels
        self.grid_block = sum(VARIANTS[variant].repeats[:GRID_STAGE])
        self.grid_channels = self.blocks[self.grid_block - 1].channels
        self.grid_windows = (
            Window(7, 2, "symmetric"),
            *([Window(3, 2, "symmetric")] if max_pool else []),
            *(
                Window(kernel, stride, "symmetric")
                for convolutions, _ in _blocks(VARIANTS[variant])[: self.grid_block]
                for _, kernel, stride, _ in convolutions
            ),
        )
        self.build((None, None, None, 3))

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.stem.build(input_shape)
        channels = STEM_CHANNELS
        for block in self.blocks:
            block.build((None, None, None, channels))
            channels = block.channels
        self.built = True

    def maps(self, images: tf.Tensor, level: int, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Backbone`."""
        values = self.stem(images, level=level, training=training)
        if self.max_pool:
            # Nothing is below 0 after ReLU, so zeros beside the map are never the largest.
            values = tf.pad(values, [[0, 0], [1, 1], [1, 1], [0, 0]])
            values = tf.nn.max_pool2d(values, 3, 2, "VALID")
        return self.through_blocks(self.blocks, values, level=level, training=training)


def block_places(variant: str) -> list[tuple[int, int]]:
    """Stage, counted from 1, and number within the stage, from 0, of every block."""
    return [
        (stage, member)
        for stage, repeats in enumerate(VARIANTS[variant].repeats, start=1)
        for member in range(repeats)
    ]


def _normalized(
    filters: int,
    kernel: int,
    stride: int,
    groups: int,
    levels: int,
    activation: str | None,
    name: str,
) -> NormalizedConvolution:
    return NormalizedConvolution(
        filters,
        kernel,
        stride,
        padding="symmetric",
        groups=groups,
        activation=activation,
        levels=levels,
        name=name,
        **NORMALIZATION,
    )


def _blocks(variant: Variant) -> list[tuple[list[tuple[int, int, int, int]], bool]]:
    """Convolutions of every block, and whether its shortcut is one."""
    blocks = []
    channels = STEM_CHANNELS
    for stage, (base, repeats) in enumerate(zip(STAGE_CHANNELS, variant.repeats, strict=True)):
        for member in range(repeats):
            stride = 2 if stage and not member else 1
            convolutions = _convolutions(variant, base, stride)
            out = convolutions[-1][0]
            blocks.append((convolutions, stride > 1 or out != channels))
            channels = out
    return blocks


def _convolutions(variant: Variant, base: int, stride: int) -> list[tuple[int, int, int, int]]:
    """(filters, kernel, stride, groups) of the convolutions of a block.

    The stride sits in the 3 x 3 convolution of a bottleneck (ResNet "V1.5").
    """
    if not variant.bottleneck:
        return [(base, 3, stride, 1), (base, 3, 1, 1)]
    width = base * variant.width // STAGE_CHANNELS[0] * variant.groups
    return [(width, 1, 1, 1), (width, 3, stride, variant.groups), (4 * base, 1, 1, 1)]

"""A small plain convolutional backbone for small problems, such as the demo."""

from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers.convolution import NormalizedConvolution
from tnet_tf.layers.receptive_field import Window
from tnet_tf.models.backbone import Backbone

# (channels, stride) of the 3 x 3 convolutions.
CONVOLUTIONS = ((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (128, 1))
# Fields of its map are 23 px wide and 8 px apart: about a grid cell of a 56 px thumbnail.
GRID_CONVOLUTION = 4
# Training takes hundreds of steps, not the hundred thousands behind the usual 0.99.
NORMALIZATION_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="tnet_tf")
class PlainCNN(Backbone):
    """Six 3 x 3 convolutions with BatchNorm and ReLU, then the spatial mean.

    Args:
      normalization_levels: sets of BatchNorm weights, see `BatchNormalization`.
      input_statistics: 'symmetric', 'unit' or 'imagenet', see `InputStatistics`.
    """

    def __init__(
        self,
        normalization_levels: int = 1,
        input_statistics: str = "symmetric",
        name: str | None = None,
    ):
        super().__init__(
            name, normalization_levels=normalization_levels, input_statistics=input_statistics
        )
        self.convolutions = [
            NormalizedConvolution(
                channels,
                3,
                stride,
                activation="relu",
                levels=normalization_levels,
                momentum=NORMALIZATION_MOMENTUM,
                name=f"convolution{number}",
            )
            for number, (channels, stride) in enumerate(CONVOLUTIONS, 1)
        ]
        self.feature_channels = CONVOLUTIONS[-1][0]
        self.grid_block = GRID_CONVOLUTION
        self.grid_channels = CONVOLUTIONS[GRID_CONVOLUTION - 1][0]
        self.grid_windows = tuple(
            Window(3, stride) for _, stride in CONVOLUTIONS[:GRID_CONVOLUTION]
        )
        self.build((None, None, None, 3))

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = (None, None, None, convolution.convolution.filters)
        self.built = True

    def maps(self, images: tf.Tensor, level: int, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Backbone`."""
        return self.through_blocks(self.convolutions, images, level=level, training=training)

"""What a feature extraction module is (paper 3.2)."""

import abc
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers.initializers import dense_initializer
from tnet_tf.layers.receptive_field import Window, field_centres, uniform_slice

# Mean and standard deviation of ImageNet's pixels in [0, 1], as keras.applications feeds them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class Backbone(keras.Model, abc.ABC):
    """Feature extraction module: an image of the base resolution becomes a vector and a map.

    It maps (n, h, w, 3) images in [-1, 1] to features (n, C) and to the spatial representation
    (n, h', w', c) from which the grid features are cut. Subclasses are built when constructed and
    say what lies in between, see `maps`.

    Args:
      name: Keras's own.
      **arguments: all others of the subclass's constructor, for `get_config`. `input_statistics`,
        where it is among them, decides what the network is fed, see `InputStatistics`.

    Attributes:
      arguments: the constructor's, without the name.
      statistics: brings images to what the weights were trained with.
      feature_channels: C.
      grid_block: the block, counted from 1, whose output the grid features are cut from.
      grid_channels: c.
      grid_windows: the convolutions between the image and the map, for receptive fields.
      published_slices: slices of the map by grid size where the paper's choice is another than the
        uniform slice closest to the cell centres.
      classifier_initializer: makes the initialiser of a classifier on top of the features.
    """

    feature_channels: int
    grid_block: int
    grid_channels: int
    grid_windows: tuple[Window, ...]
    published_slices: Mapping[int, slice] = MappingProxyType({})
    classifier_initializer: Callable[[], keras.initializers.Initializer] = staticmethod(
        dense_initializer
    )

    def __init__(self, name: str | None = None, **arguments: Any):
        super().__init__(name=name)
        self.arguments = arguments
        self.statistics = InputStatistics(
            arguments.get("input_statistics", "symmetric"), name="statistics"
        )

    def call(
        self, images: tf.Tensor, level: int = 1, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps images to features and to the map of the grid features.

        Args:
          images: (n, h, w, 3) float in [-1, 1].
          level: at which they are looked at, from 1; chooses the set of BatchNorm weights.
          training: turns on noise and batch statistics.

        Returns:
          (n, C), the mean over the last map, and (n, h', w', c).
        """
        values, grid_features = self.maps(self.statistics(images), level, training)
        return tf.reduce_mean(values, axis=(1, 2)), grid_features

    @abc.abstractmethod
    def maps(self, images: tf.Tensor, level: int, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The map whose mean the features are, and the map of the grid features.

        Args:
          images: (n, h, w, 3), as the weights were trained with.
          level: see `call`.
          training: see `call`.

        Returns:
          (n, h'', w'', C) and (n, h', w', c).
        """

    def through_blocks(
        self, blocks: Iterable[keras.layers.Layer], values: tf.Tensor, **settings: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Outputs of the last block, and of the one whose output the grid features are cut from.

        Args:
          blocks: layers, one after the other.
          values: (n, h, w, channels), what the first one takes.
          **settings: of every block's call.
        """
        for number, block in enumerate(blocks, start=1):
            values = block(values, **settings)
            if number == self.grid_block:
                grid_features = values
        return values, grid_features

    def grid_slices(
        self, base_resolution: tuple[int, int], grid: int, cell: float
    ) -> tuple[slice, slice]:
        """Rows and columns of the map that describe the cells of the attention grid.

        Raises:
          UserError: when the map is smaller than the grid.
        """
        rows, columns = (
            uniform_slice(field_centres(side, self.grid_windows), side, grid, cell)
            for side in base_resolution
        )
        if base_resolution == (224, 224):
            rows = columns = self.published_slices.get(grid, rows)
        return rows, columns

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"name": self.name, **self.arguments}


class InputStatistics(keras.layers.Layer):
    """Brings pixels in [-1, 1] to the statistics that a backbone's weights were trained with.

    Args:
      statistics: 'symmetric' leaves [-1, 1]; 'unit' brings pixels to [0, 1]; 'imagenet'
        standardises by ImageNet's mean and deviation per channel.
    """

    def __init__(self, statistics: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.statistics = statistics
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Maps (n, h, w, 3) images to images of the same shape."""
        if self.statistics == "symmetric":
            return images
        images = (images + 1) / 2
        if self.statistics == "unit":
            return images
        mean, deviation = (
            tf.constant(value, images.dtype) for value in (IMAGENET_MEAN, IMAGENET_DEVIATION)
        )
        return (images - mean) / deviation

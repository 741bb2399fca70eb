"""What all classifiers of this package are: a backbone with modules on top, saved in one way."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from tnet_tf.layers import checks
from tnet_tf.layers.pixels import image_size
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.gazes import Gaze
from tnet_tf.models.keras_methods import KerasMethods
from tnet_tf.models.traversal import AttentionModel, Plan, Read, traverse
from tnet_tf.outputs import Outputs


class Classifier(KerasMethods, AttentionModel[Any]):
    """A network whose call takes (images, locations=None, training=False) and returns `Outputs`.

    Images are uint8 in 0 .. 255, or floats in [-1, 1]. They stay as they are, whatever the network
    computes in: only what is looked at is converted. What can't be images is a `UserError`, and so
    are, in eager calls, floats that are far out of range or no numbers (`checks.in_range`).

    Args:
      backbone: feature extraction module.
      classes: number of classes.
      name: Keras's own.
      **arguments: all others of the subclass's constructor, for `get_config`.

    Attributes:
      arguments: the constructor's, without the backbone and the name.
      classes: number of classes.
      feature_extraction: the backbone.
      attends: whether it looks at locations; its call then takes a `gaze`, too, which chooses them
        in its place (see `tnet_tf.models.gazes`).
      one_by_one: whether each location depends on those before it, so that they are not looked at
        in one batch.
      locations: attended per grid, one number for each level after the first, unless a call says
        otherwise; () where it does not attend.
      base_resolution: height and width in pixels at which regions are looked at; None: images are
        looked at as they are.
      grid: cells per side of the grids that it chooses from; None: it has none.
    """

    attends: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = False
    locations: tuple[int, ...] = ()
    base_resolution: tuple[int, int] | None = None
    grid: int | None = None

    def __init__(self, backbone: Backbone, classes: int, name: str | None = None, **arguments: Any):
        super().__init__(autocast=False, name=name)
        self.arguments = {"classes": classes, **arguments}
        self.classes = classes
        self.feature_extraction = backbone

    @classmethod
    def stops(cls, locations: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Every number of locations after which a pass can end, and the call's argument for it.

        Args:
          locations: attended per grid, one number for each level after the first. Levels before the
            last one that is looked at are complete: (2, 1) can end at 0, 1, 2 and 2 + 2 * 1 = 4.

        Example:
          >>> from tnet_tf.models.tnet import TNet
          >>> TNet.stops((2, 1))
          {0: (0,), 1: (1,), 2: (2,), 4: (2, 1)}
        """
        if not cls.attends:
            return {0: ()}
        stops: dict[int, tuple[int, ...]] = {0: (0,)}
        total, grids = 0, 1
        for level, most in enumerate(locations):
            for count in range(1, most + 1):
                stops[total + grids * count] = (*locations[:level], count)
            total, grids = total + grids * most, grids * most
        return stops

    def __call__(self, images: Any, *arguments: Any, **settings: Any) -> Outputs:
        """Looks at images, see `call`."""
        checks.check_images(images)
        return super().__call__(images, *arguments, **settings)

    @abc.abstractmethod
    def checked_locations(
        self, locations: Sequence[int | tf.Tensor]
    ) -> tuple[int | tf.Tensor, ...]:
        """The `locations` of a call; `UserError` for numbers that there can't be."""

    @abc.abstractmethod
    def reader(self, images: tf.Tensor) -> Read:
        """Makes views of regions of images in memory, (n, H, W, 3) float in [-1, 1] or uint8."""

    def call(
        self,
        images: tf.Tensor,
        locations: Sequence[int | tf.Tensor] | None = None,
        training: bool = False,
        gaze: Gaze | None = None,
    ) -> Outputs:
        """Looks at images in memory.

        Args:
          images: (n, H, W, 3), float in [-1, 1] or uint8 in 0 .. 255; any size.
          locations: numbers of locations, or scalar tensors, as each network has them; () looks at
            the images whole and nowhere else. Default: the constructor's.
          training: selects as in training and turns on noise and batch statistics.
          gaze: chooses in the network's place.

        Raises:
          UserError: for images too small to look into, and locations that there are not.
        """
        images = checks.in_range(images)
        own = self.locations if locations is None else locations
        plan = Plan(self.checked_locations(own), training, gaze)
        state = self.start(tf.shape(images)[0], image_size(images))
        return traverse(self, self.reader(images), state, plan)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        backbone = keras.saving.serialize_keras_object(self.feature_extraction)
        return {"name": self.name, "backbone": backbone, **self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The network that `get_config` describes."""
        backbone = keras.saving.deserialize_keras_object(config["backbone"], custom_objects)
        return cls(**{**config, "backbone": backbone})

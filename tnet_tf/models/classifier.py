"""What all classifiers of this package are: a backbone with modules on top, saved in one way."""

from typing import Any, Self

import keras

from tnet_tf.layers import checks
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.keras_methods import KerasMethods
from tnet_tf.outputs import Outputs


class Classifier(KerasMethods):
    """A network whose call takes (images, locations=None, training=False) and returns `Outputs`.

    Images are uint8 in 0 .. 255, or floats in [-1, 1]. They stay as they are, whatever the network
    computes in: only what is looked at is converted. What can't be images is a `UserError`, and so
    are, in eager calls, floats that are far out of range or no numbers (`checks.in_range`).

    Args:
      backbone: feature extraction module.
      **arguments: the constructor's others, for `get_config`, and Keras's own name.

    Attributes:
      arguments: the constructor's, without the backbone and the name.
      feature_extraction: the backbone.
      attends: whether it looks at locations; its call then takes a `gaze`, too, which chooses them
        in its place (see `tnet_tf.models.gazes`).
    """

    attends = False

    def __init__(self, backbone: Backbone, name: str | None = None, **arguments: Any):
        super().__init__(autocast=False, name=name)
        self.arguments = arguments
        self.feature_extraction = backbone

    def __call__(self, images: Any, *arguments: Any, **settings: Any) -> Outputs:
        """Looks at images, see `call`."""
        checks.check_images(images)
        return super().__call__(images, *arguments, **settings)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        backbone = keras.saving.serialize_keras_object(self.feature_extraction)
        return {"name": self.name, "backbone": backbone, **self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The network that `get_config` describes."""
        backbone = keras.saving.deserialize_keras_object(config["backbone"], custom_objects)
        return cls(**{**config, "backbone": backbone})

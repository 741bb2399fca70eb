"""What all classifiers of this package are: a backbone with modules on top, saved in one way."""

from typing import Any, Self

import keras

from tnet_tf.models.backbone import Backbone
from tnet_tf.models.keras_methods import KerasMethods


class Classifier(KerasMethods):
    """A network whose call takes (images, locations=None, training=False) and returns `Outputs`.

    Images stay as they are, whatever the network computes in: only what is looked at is converted.

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

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        backbone = keras.saving.serialize_keras_object(self.feature_extraction)
        return {"name": self.name, "backbone": backbone, **self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The network that `get_config` describes."""
        backbone = keras.saving.deserialize_keras_object(config["backbone"], custom_objects)
        return cls(**{**config, "backbone": backbone})

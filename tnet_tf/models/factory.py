"""From settings to a network."""

import dataclasses
import inspect
from typing import Any

import keras

from tnet_tf.config import ModelConfig
from tnet_tf.errors import UserError
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.bagnet import BagNet77
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.efficientnet import VARIANTS as EFFICIENTNETS
from tnet_tf.models.efficientnet import EfficientNet
from tnet_tf.models.feedforward import FeedForward
from tnet_tf.models.mgnet import MGNet
from tnet_tf.models.plain_cnn import PlainCNN
from tnet_tf.models.resnet import VARIANTS as RESNETS
from tnet_tf.models.resnet import ResNet
from tnet_tf.models.tnet import TNet

# Networks by name; a new one is a row here and one in `NETWORKS` of tnet_tf/config/networks.py.
MODELS: dict[str, type[Classifier]] = {"tnet": TNet, "mgnet": MGNet, "feedforward": FeedForward}

# Backbone and the arguments that make it this one; new backbones are rows here.
BACKBONES: dict[str, tuple[type[Backbone], dict[str, Any]]] = {
    "bagnet77": (BagNet77, {}),
    "plain_cnn": (PlainCNN, {}),
    **{f"efficientnet_{name}": (EfficientNet, {"variant": name}) for name in EFFICIENTNETS},
    **{name: (ResNet, {"variant": name}) for name in RESNETS},
    **{f"{name}_no_maxpool": (ResNet, {"variant": name, "max_pool": False}) for name in RESNETS},
}

# Settings that a backbone may take; another value than the default is refused where it does not.
_SETTINGS_OF_BACKBONES = ("stochastic_depth", "spatial_dropout", "input_statistics")


def build_backbone(config: ModelConfig) -> Backbone:
    """The feature extraction module that the settings name.

    Raises:
      UserError: for an unknown backbone, or a setting that it does not have.
    """
    if config.backbone not in BACKBONES:
        raise UserError(
            f"--backbone={config.backbone} is unknown; there are {', '.join(sorted(BACKBONES))}"
        )
    backbone, row = BACKBONES[config.backbone]
    per_level = MODELS[config.model].attends and config.normalization == "per_level"
    accepted = _accepted(backbone)
    for name in _SETTINGS_OF_BACKBONES:
        value = getattr(config, name)
        if name not in accepted and value != getattr(ModelConfig, name):
            raise _no_effect(f"{name}={value}", config)
    if per_level and "normalization_levels" not in accepted:
        raise _no_effect("normalization=per_level", config)
    settings = {
        "normalization_levels": config.levels if per_level else 1,
        "grid": config.grid,
        **{name: getattr(config, name) for name in _SETTINGS_OF_BACKBONES},
    }
    arguments = {name: value for name, value in settings.items() if name in accepted}
    return backbone(**row, **arguments, name="feature_extraction")


def _no_effect(flag: str, config: ModelConfig) -> UserError:
    return UserError(f"--{flag} has no effect on --backbone={config.backbone}; leave it out")


def build_model(config: ModelConfig, classes: int) -> Classifier:
    """The network that the settings describe, with fresh weights.

    Its constructor takes the settings that its arguments have the names of.

    Args:
      config: the settings, checked.
      classes: number of classes.

    Raises:
      UserError: see `build_backbone`, and when the grid does not fit the backbone's map.
    """
    network = MODELS[config.model]
    accepted = _accepted(network) - {"backbone", "classes"}
    names = [field.name for field in dataclasses.fields(config) if field.name in accepted]
    settings = {name: getattr(config, name) for name in names}
    return network(build_backbone(config), classes, **settings, name=config.model)


def _accepted(network: type[keras.Model]) -> set[str]:
    """Names of a constructor's arguments."""
    return set(inspect.signature(network.__init__).parameters)

"""From settings to a network."""

import inspect
from typing import Any

import keras

from tnet_tf.config import ModelConfig
from tnet_tf.errors import UserError
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.bagnet import BagNet77
from tnet_tf.models.efficientnet import VARIANTS as EFFICIENTNETS
from tnet_tf.models.efficientnet import EfficientNet
from tnet_tf.models.feedforward import FeedForward
from tnet_tf.models.mgnet import MGNet
from tnet_tf.models.plain_cnn import PlainCNN
from tnet_tf.models.resnet import VARIANTS as RESNETS
from tnet_tf.models.resnet import ResNet
from tnet_tf.models.tnet import TNet

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
    per_level = config.model != "feedforward" and config.normalization == "per_level"
    accepted = inspect.signature(backbone.__init__).parameters
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


def build_model(config: ModelConfig, classes: int) -> keras.Model:
    """The network that the settings describe, with fresh weights.

    Args:
      config: the settings, checked.
      classes: number of classes.

    Returns:
      A model whose call takes (images, locations=None, training=False) and returns `Outputs`.

    Raises:
      UserError: see `build_backbone`, and when the grid does not fit the backbone's map.
    """
    backbone = build_backbone(config)
    if config.model == "feedforward":
        return FeedForward(backbone, classes, config.dropout, name="feedforward")
    if config.model == "mgnet":
        return MGNet(
            backbone,
            classes,
            base_resolution=config.base_resolution,
            locations=config.locations,
            region_scale=config.region_scale,
            gradient_scale=config.gradient_scale,
            name="mgnet",
        )
    return TNet(
        backbone,
        classes,
        base_resolution=config.base_resolution,
        grid=config.grid,
        cell=config.cell,
        locations=config.locations,
        sampling=config.sampling,
        location_module=config.location_module,
        positional_module=config.positional_module,
        feature_weighting=config.feature_weighting,
        dropout=config.dropout,
        name="tnet",
    )

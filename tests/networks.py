"""Small networks and the published settings, for tests."""

import dataclasses

import keras

from tnet_tf.config import ModelConfig
from tnet_tf.models.factory import build_model

IMAGENET = ModelConfig(
    backbone="bagnet77",
    base_resolution=(77, 77),
    grid=5,
    cell=0.34375,
    locations=(3,),
    location_module="context",
    positional_module="concat",
)
FMOW = ModelConfig(backbone="efficientnet_b0", base_resolution=(224, 224), grid=3, cell=0.5)
CUB = ModelConfig(
    backbone="efficientnet_b0",
    base_resolution=(224, 224),
    grid=5,
    cell=0.35,
    locations=(5,),
    feature_weighting=True,
)
MGNET = ModelConfig(model="mgnet", backbone="resnet18", base_resolution=(96, 96), locations=(3,))
TINY_MGNET = ModelConfig(
    model="mgnet", backbone="plain_cnn", base_resolution=(32, 32), locations=(2,)
)
TINY = ModelConfig(backbone="plain_cnn", base_resolution=(32, 32), grid=3, cell=0.5, locations=(2,))


def build(config: ModelConfig = TINY, classes: int = 4, **changes) -> keras.Model:
    """The network of `config` with some settings changed."""
    return build_model(dataclasses.replace(config, **changes), classes)

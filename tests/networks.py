"""Small networks and the published settings, for tests."""

import dataclasses

import keras

from tnet_tf.config import ModelConfig
from tnet_tf.layers.convolution import NormalizedConvolution
from tnet_tf.layers.receptive_field import Window
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.factory import MODELS, build_model
from tnet_tf.models.feedforward import FeedForward

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


def small(name: str, **changes) -> keras.Model:
    """A small network of `MODELS`: two levels of locations, or where it looks one by one, three."""
    locations = (3,) if MODELS[name].one_by_one else (2, 1)
    return build(TINY, **{"model": name, "locations": locations, **changes})


@keras.saving.register_keras_serializable(package="tests")
class OneConvolution(Backbone):
    """A convolution with BatchNorm and the spatial mean: weights of all kinds, compiled soon."""

    def __init__(self, name=None):
        super().__init__(name)
        self.feature_channels = self.grid_channels = 8
        self.grid_windows = (Window(3, 4),)
        # Which side of a ReLU's kink a value falls on could hang on its last digit.
        self.convolution = NormalizedConvolution(8, 3, 4, momentum=0.9, name="convolution")
        self.convolution.build((None, None, None, 3))
        self.built = True

    def maps(self, images, level, training):
        values = self.convolution(images, level=level, training=training)
        return values, values


def shallow(classes: int = 4) -> keras.Model:
    """A feed-forward network of one convolution."""
    return FeedForward(OneConvolution(name="feature_extraction"), classes, name="feedforward")

import dataclasses

import keras
import pytest
import tensorflow as tf

from tests.networks import TINY, small
from tnet_tf.errors import UserError
from tnet_tf.layers.receptive_field import Window
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.factory import BACKBONES, MODELS, build_model


@keras.saving.register_keras_serializable(package="tests")
class Plainest(Backbone):
    """A backbone of one convolution that takes no settings at all."""

    feature_channels = grid_channels = 8
    grid_windows = (Window(4, 4, "valid"),)

    def __init__(self, name=None):
        super().__init__(name)
        self.convolution = keras.layers.Conv2D(8, 4, 4)
        self.convolution.build((None, None, None, 3))
        self.built = True

    def maps(self, images, level, training):
        values = self.convolution(images)
        return values, values


@pytest.fixture(autouse=True)
def row(monkeypatch):
    monkeypatch.setitem(BACKBONES, "plainest", (Plainest, {}))


@pytest.mark.parametrize("model", MODELS)
def test_a_backbone_need_not_take_any_setting(model):
    network = small(model, backbone="plainest")
    assert network(tf.zeros((2, 64, 64, 3))).logits.shape == (2, 4)


@pytest.mark.parametrize(
    ("setting", "value", "flag"),
    [
        ("input_statistics", "unit", "--input_statistics=unit"),
        ("stochastic_depth", 0.5, "--stochastic_depth=0.5"),
        ("spatial_dropout", 0.5, "--spatial_dropout=0.5"),
        ("normalization", "per_level", "--normalization=per_level"),
    ],
)
def test_a_setting_that_the_backbone_lacks_is_refused(setting, value, flag):
    config = dataclasses.replace(TINY, backbone="plainest", **{setting: value})
    with pytest.raises(UserError, match=f"{flag} has no effect on --backbone=plainest"):
        build_model(config, classes=3)


def test_an_unknown_backbone_is_told_with_those_there_are():
    config = dataclasses.replace(TINY, backbone="resnet19")
    with pytest.raises(UserError, match=r"--backbone=resnet19 is unknown; .*resnet18"):
        build_model(config, classes=3)

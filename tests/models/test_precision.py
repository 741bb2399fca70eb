import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import FMOW, TINY, build
from tnet_tf.models.precision import computing_in, copy_in


def test_a_copy_has_the_same_weights_and_computes_in_its_precision():
    model = build(TINY, normalization="per_level")
    copy = copy_in(model, "bfloat16")
    for ours, theirs in zip(copy.weights, model.weights, strict=True):
        assert ours.dtype == "float32"
        np.testing.assert_array_equal(ours, theirs)
    features, _ = copy.feature_extraction(tf.zeros((1, 32, 32, 3)))
    assert features.dtype == tf.bfloat16
    assert keras.config.dtype_policy().name == "float32"


def test_the_policy_is_put_back_when_building_fails():
    with pytest.raises(RuntimeError), computing_in("bfloat16"):
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("config", [TINY, FMOW])
def test_bfloat16_predicts_nearly_the_same(config):
    model = build(config, locations=(2,))
    images = tf.random.stateless_uniform((2, 300, 300, 3), (1, 2), -1, 1)
    logits = [network(images).logits for network in (model, copy_in(model, "bfloat16"))]
    assert logits[1].dtype == tf.float32
    assert 0 < np.abs(logits[1] - logits[0]).max() < 0.05


def test_images_are_not_rounded_before_they_are_cropped(monkeypatch):
    seen = []
    model = copy_in(build(TINY), "bfloat16")
    monkeypatch.setattr(
        "tnet_tf.layers.grid.crop_and_resize",
        lambda images, *_: seen.append(images.dtype) or tf.zeros((len(images), 32, 32, 3)),
    )
    model(tf.zeros((2, 64, 64, 3)), locations=())
    assert seen == [tf.float32]

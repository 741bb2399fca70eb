import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import FMOW, MGNET, TINY, TINY_MGNET, build
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


@pytest.mark.parametrize("config", [TINY, FMOW, TINY_MGNET, MGNET])
def test_bfloat16_predicts_nearly_the_same(config):
    keras.utils.set_random_seed(0)
    model = build(config, locations=(2,))
    images = tf.random.stateless_uniform((2, 300, 300, 3), (1, 2), -1, 1)
    logits = [network(images).logits for network in (model, copy_in(model, "bfloat16"))]
    assert logits[1].dtype == tf.float32
    largest = max(1, np.abs(logits[0]).max())
    assert 0 < np.abs(logits[1] - logits[0]).max() < 0.05 * largest


@pytest.mark.parametrize("backbone", ["plain_cnn", "resnext50_32x4d"])
def test_mgnet_keeps_positions_and_all_that_follows_the_backbone_in_float32(backbone):
    model = build(TINY_MGNET, backbone=backbone)
    copy = copy_in(model, "bfloat16")
    features, _ = copy.feature_extraction(tf.zeros((1, 32, 32, 3)))
    assert features.dtype == tf.bfloat16
    outputs = copy(tf.random.stateless_uniform((2, 64, 64, 3), (1, 2), -1, 1))
    for name in ("logits_by_count", "feature_logits", "features", "weights", "boxes"):
        assert getattr(outputs, name).dtype == tf.float32
    vectors = tf.random.stateless_normal((2, 3, model.channels + 3), (3, 4))
    for name in ("localization", "classification"):
        exact, found = (getattr(network, name)(vectors[:, 0]) for network in (model, copy))
        np.testing.assert_allclose(found, exact, atol=1e-6)
    exact, found = (network.fusion(tf.unstack(vectors, axis=1))[0] for network in (model, copy))
    np.testing.assert_allclose(found, exact, atol=1e-5)


def test_grouped_convolutions_learn_in_bfloat16_too():
    with computing_in("bfloat16"):
        model = build(TINY_MGNET, backbone="resnext50_32x4d", locations=(1,))
    images = tf.random.stateless_uniform((2, 64, 64, 3), (1, 2), -1, 1)
    kernels = [v for v in model.trainable_variables if v.path.endswith("kernel")]
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        total = tf.reduce_sum(outputs.feature_logits**2) + tf.reduce_sum(outputs.logits**2)
    gradients = tape.gradient(total, [kernel.value for kernel in kernels])
    for kernel, gradient in zip(kernels, gradients, strict=True):
        assert gradient.dtype == tf.float32
        assert np.isfinite(gradient).all() and np.any(gradient), kernel.path


@pytest.mark.parametrize(
    ("config", "read"),
    [(TINY, "pixels.crop_and_resize"), (TINY_MGNET, "glimpses.sample_glimpses")],
)
def test_images_are_not_rounded_before_they_are_cropped(config, read, monkeypatch):
    seen = []
    model = copy_in(build(config), "bfloat16")
    monkeypatch.setattr(
        f"tnet_tf.layers.{read}",
        lambda images, *_: seen.append(images.dtype) or tf.zeros((len(images), 32, 32, 3)),
    )
    model(tf.zeros((2, 64, 64, 3)), locations=())
    assert seen == [tf.float32]

import dataclasses

import h5py
import keras
import numpy as np
import pytest

from tests.models import golden
from tests.networks import FMOW, build
from tnet_tf.errors import UserError
from tnet_tf.models.backbone import IMAGENET_DEVIATION, IMAGENET_MEAN
from tnet_tf.models.weights.load import load_pretrained
from tnet_tf.models.weights.names import variable_names

# A keras.applications network that was not trained on ImageNet only divides pixels by 255.
B0 = dataclasses.replace(FMOW, model="feedforward", input_statistics="unit")


def randomised(network):
    """A keras.applications network whose every weight matters."""
    rng = np.random.default_rng(0)
    for variable in network.weights:
        if variable.path.startswith("normalization"):
            continue
        scale = 0.1 * rng.standard_normal(variable.shape)
        fan_in = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 1
        depthwise = "dwconv" in variable.path
        if len(variable.shape) > 1:
            fan_in = np.prod(variable.shape[:2]) if depthwise else fan_in
            variable.assign(10 * scale / np.sqrt(fan_in))
        elif variable.path.endswith(("gamma", "moving_variance")):
            variable.assign(1 + np.abs(scale))
        else:
            variable.assign(scale)
    return network


@pytest.mark.parametrize("variant", ["b0", "b1", "b2", "b3", "b4"])
def test_efficientnets_are_those_of_keras_applications(variant, tmp_path):
    make = getattr(keras.applications, f"EfficientNet{variant.upper()}")
    theirs = randomised(make(weights=None, classes=7, classifier_activation=None))
    path = str(tmp_path / "theirs.weights.h5")
    theirs.save_weights(path)
    ours = build(B0, classes=7, backbone=f"efficientnet_{variant}")
    report = load_pretrained(ours, path)
    assert not report.initial + report.skipped + report.unused
    size = theirs.input_shape[1]
    images = golden.images(1, 1, 7 * 40)[:, :size, :size]
    images = np.resize(images, (1, size, size, 3))
    expected = theirs(255 * (images + 1) / 2)
    np.testing.assert_allclose(ours(images).logits, expected, atol=1e-4)


@pytest.mark.parametrize("file", ["whole.h5", "only.weights.h5", "whole.keras"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras advises against .h5 when saving.
def test_all_file_formats_of_keras_load(file, tmp_path):
    theirs = randomised(keras.applications.EfficientNetB0(weights=None, classes=5))
    path = str(tmp_path / file)
    theirs.save_weights(path) if "weights" in file else theirs.save(path)
    ours = build(B0, classes=5)
    report = load_pretrained(ours, path)
    assert not report.initial + report.skipped + report.unused
    names = variable_names(ours)
    kernel = theirs.get_layer("block6c_expand_conv").kernel
    block = names["feature_extraction/block14/expand/convolution/kernel"]
    np.testing.assert_array_equal(block, kernel)


def test_a_file_without_classifier_leaves_the_classifier_and_says_so(tmp_path):
    theirs = keras.applications.EfficientNetB0(
        weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    path = str(tmp_path / "backbone.weights.h5")
    theirs.save_weights(path)
    report = load_pretrained(build(B0), path)
    assert report.initial == ("classification/linear/kernel", "classification/linear/bias")
    assert "2 left at their initial value: classification/linear" in str(report)


def test_a_classifier_of_other_classes_is_skipped_and_said(tmp_path):
    path = str(tmp_path / "file.weights.h5")
    keras.applications.EfficientNetB0(weights=None, classes=9).save_weights(path)
    report = load_pretrained(build(B0, classes=4), path)
    assert "classification/linear/kernel" in report.skipped
    assert "other classes: classification/linear" in str(report)


def normalization(network):
    """The layer in which keras.applications keeps the statistics of its training pixels."""
    return next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))


def test_imagenet_weights_of_keras_need_imagenet_statistics_and_then_agree(tmp_path):
    theirs = randomised(
        keras.applications.EfficientNetB0(weights=None, classes=5, classifier_activation=None)
    )
    images = golden.images(3, 1, 224)
    standard = ((images + 1) / 2 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_DEVIATION)
    expected = theirs(255 * standard.astype(np.float32))
    normalization(theirs).adapt_mean.assign(IMAGENET_MEAN)
    path = str(tmp_path / "imagenet.weights.h5")
    theirs.save_weights(path)
    with pytest.raises(UserError, match="give --input_statistics=imagenet"):
        load_pretrained(build(B0, classes=5), path)
    ours = build(B0, classes=5, input_statistics="imagenet")
    load_pretrained(ours, path)
    np.testing.assert_allclose(ours(images).logits, expected, atol=1e-4)


def test_a_file_without_weights_is_named(tmp_path):
    with h5py.File(tmp_path / "empty.weights.h5", "w"):
        pass
    with pytest.raises(UserError, match=r"empty\.weights\.h5"):
        load_pretrained(build(B0), str(tmp_path / "empty.weights.h5"))

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, build
from tests.serving.networks import pixels, trained
from tnet_tf.batch import Batch
from tnet_tf.serving import saved_model
from tnet_tf.serving.agreement import agreement


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    saved_model.write(model, folder)
    return saved_model.load(folder)


def batches(masks):
    for mask in masks:
        images = tf.constant(pixels(len(mask)) / 127.5 - 1, tf.float32)
        yield Batch(images, tf.zeros(len(mask), tf.int32), tf.zeros((len(mask), 4)), mask)


def test_an_export_agrees_with_its_source(model, exported):
    found = agreement(model, exported, batches([[1, 1], [1, 0]]))
    assert found.compared == 3
    assert found.logit_difference < 1e-5
    assert found.top1 == found.regions == 1


def test_another_network_does_not(model, exported):
    """One that says the opposite, after looking at the same regions."""
    other = trained()
    other.set_weights(model.get_weights())
    for weight in other.classification.weights:
        weight.assign(-weight)
    found = agreement(other, exported, batches([[1, 1, 1, 1]]))
    assert found.logit_difference > 1e-3
    assert found.top1 == 0
    assert found.regions == 1


@pytest.mark.parametrize(("moved", "share"), [(0.009, 1), (0.011, 0.5)])
def test_other_regions_are_seen(model, exported, moved, share):
    """One box of the second image lies elsewhere."""

    def elsewhere(images):
        served = exported(images)
        boxes = served["boxes"].copy()
        boxes[1, -1] += moved
        return {**served, "boxes": boxes}

    found = agreement(model, elsewhere, batches([[1, 1]]))
    assert found.regions == share
    assert found.top1 == 1


def test_the_order_of_regions_counts(model, exported):
    def turned(images):
        served = exported(images)
        return {**served, "boxes": np.roll(served["boxes"], 1, axis=1)}

    assert agreement(model, turned, batches([[1, 1]])).regions == 0


def test_networks_with_no_regions_agree_in_them(tmp_path):
    plain = build(TINY, model="feedforward")
    saved_model.write(plain, tmp_path)
    found = agreement(plain, saved_model.load(tmp_path), batches([[1, 1], [1, 0]]))
    assert found.regions == found.top1 == 1


def test_images_are_compared_as_pixels(model):
    def exported(images):
        assert images.dtype == tf.uint8
        np.testing.assert_array_equal(images, pixels(2))
        return {name: value.numpy() for name, value in served(model, images).items()}

    agreement(model, exported, batches([[1, 1]]))


def served(model, images):
    outputs = model(images)
    return {"logits": outputs.logits, "boxes": outputs.boxes}

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.networks import pixels, trained
from tnet_tf.inputs.pipeline import Example
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
        yield Example(images, tf.zeros(len(mask), tf.int32), tf.zeros((len(mask), 4)), mask)


def test_an_export_agrees_with_its_source(model, exported):
    found = agreement(model, exported, batches([[1, 1], [1, 0]]))
    assert found.images == 3
    assert found.logit_difference < 1e-5
    assert found.top1 == found.cells == 1


def test_another_network_does_not(model, exported):
    """One that says the opposite, after looking at the same cells."""
    other = trained()
    other.set_weights(model.get_weights())
    for weight in other.classification.weights:
        weight.assign(-weight)
    found = agreement(other, exported, batches([[1, 1, 1, 1]]))
    assert found.logit_difference > 1e-3
    assert found.top1 == 0
    assert found.cells == 1


def test_other_cells_are_seen(model, exported):
    def elsewhere(images):
        served = exported(images)
        return {**served, "cells": np.roll(served["cells"], 1, axis=1)}

    found = agreement(model, elsewhere, batches([[1, 1]]))
    assert found.cells == 0
    assert found.top1 == 1


def test_images_are_compared_as_pixels(model):
    def exported(images):
        assert images.dtype == tf.uint8
        np.testing.assert_array_equal(images, pixels(2))
        return {name: value.numpy() for name, value in served(model, images).items()}

    agreement(model, exported, batches([[1, 1]]))


def served(model, images):
    outputs = model(images)
    return {"logits": outputs.logits, "cells": outputs.cells}

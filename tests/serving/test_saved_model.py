import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, build
from tnet_tf.errors import UserError
from tnet_tf.inputs.pipeline import Example
from tnet_tf.serving import saved_model

LEVELS = {"locations": (2, 1)}


def pixels(count, height=64, width=80):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    return build(TINY, normalization="per_level", **LEVELS)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "export"
    saved_model.save(model, folder)
    return folder


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


def test_images_of_any_number_and_size_give_what_the_network_gives(model, signatures):
    for shape in ((1, 64, 80), (3, 64, 80), (2, 97, 51)):
        images = pixels(*shape)
        served = signatures["serving_default"](images=tf.constant(images))
        expected = model(images)
        for name in ("logits", "logits_by_count", "boxes", "weights", "levels", "cells"):
            np.testing.assert_allclose(served[name], getattr(expected, name), atol=1e-5)
        np.testing.assert_allclose(tf.reduce_sum(served["probabilities"], 1), 1, rtol=1e-5)


def test_float_images_give_the_same_as_their_pixels(signatures):
    images = pixels(2)
    floats = tf.constant(images / 127.5 - 1, tf.float32)
    one = signatures["serving_default"](images=tf.constant(images))
    other = signatures["float_images"](images=floats)
    np.testing.assert_allclose(one["logits"], other["logits"], atol=1e-5)


@pytest.mark.parametrize("locations", [(0, 0), (1, 0), (3, 0), (2, 1), (4, 2), (0, 2)])
def test_the_number_of_locations_is_an_input(model, signatures, locations):
    images = pixels(2)
    served = signatures["with_locations"](
        images=tf.constant(images), locations=tf.constant(locations)
    )
    looked_at = locations[: locations.index(0)] if 0 in locations else locations
    expected = model(images, locations=looked_at)
    np.testing.assert_allclose(served["logits"], expected.logits, atol=1e-5)
    np.testing.assert_array_equal(served["cells"], expected.cells)
    assert served["boxes"].shape == expected.boxes.shape


def test_feedforward_networks_are_served_too(tmp_path):
    network = build(TINY, model="feedforward")
    saved_model.save(network, tmp_path / "export")
    signatures = tf.saved_model.load(str(tmp_path / "export")).signatures
    assert set(signatures) == {"serving_default", "float_images"}
    images = pixels(2)
    served = signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(served["logits"], network(images).logits, atol=1e-5)


def test_a_process_without_this_package_can_serve(model, folder, tmp_path):
    """In an empty folder, with the repository off the path and our package forbidden."""
    images = pixels(3)
    np.save(tmp_path / "images.npy", images)
    script = (
        "import sys; sys.modules['tnet_tf'] = None; sys.modules['keras'] = None\n"
        "import numpy as np, tensorflow as tf\n"
        f"served = tf.saved_model.load({str(folder)!r}).signatures['serving_default']\n"
        "logits = served(images=tf.constant(np.load('images.npy')))['logits']\n"
        "np.save('logits.npy', logits.numpy())\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), model(images).logits, atol=1e-5)


def batches(masks):
    for mask in masks:
        images = tf.constant(pixels(len(mask)) / 127.5 - 1, tf.float32)
        yield Example(images, tf.zeros(len(mask), tf.int32), tf.zeros((len(mask), 4)), mask)


def test_agreement_with_the_source_is_measured(model, folder):
    found = saved_model.agreement(model, folder, batches([[1, 1], [1, 0]]))
    assert found.images == 3
    assert found.logit_difference < 1e-5
    assert found.top1 == found.cells == 1


def test_agreement_sees_another_network(model, folder):
    """One that says the opposite, after looking at the same cells."""
    other = build(TINY, normalization="per_level", **LEVELS)
    other.set_weights(model.get_weights())
    for weight in other.classification.weights:
        weight.assign(-weight)
    found = saved_model.agreement(other, folder, batches([[1, 1, 1, 1]]))
    assert found.logit_difference > 1e-3
    assert found.top1 == 0
    assert found.cells == 1


def test_a_folder_of_other_files_is_left_alone(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files; give a folder of its own"):
        saved_model.save(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_earlier_export_is_replaced(tmp_path):
    model = build(TINY, model="feedforward")
    for _ in range(2):
        saved_model.save(model, tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_what_can_not_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(UserError, match="No space left"):
        saved_model.save(build(TINY, model="feedforward"), tmp_path / "export")
    assert not list(tmp_path.iterdir())

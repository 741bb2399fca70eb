"""What networks and backbones keep to: every row of `MODELS`, and of `BACKBONES` each class."""

import functools
import inspect

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import small
from tnet_tf.config.networks import NETWORKS, NoAttention
from tnet_tf.layers.receptive_field import field_centres
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.factory import BACKBONES, MODELS
from tnet_tf.models.precision import copy_in
from tnet_tf.models.weights.keras_file import load_keras
from tnet_tf.models.weights.names import variable_names

# Rows of a class differ in numbers: the first of them stands for all.
FIRST_OF_CLASS = {kind: name for name, (kind, _) in reversed(BACKBONES.items())}
# Fields of `Outputs` with what follows (n, L) in their shapes, or (n, L + 1).
BY_LOCATION = {"logits_without_context": (4,), "log_probs": (), "boxes": (4,), "levels": ()}
BY_VECTOR = {"logits_by_count": (4,), "feature_logits": (4,), "weights": ()}
# Softmax does not see what is added to all scores.
UNREACHED = ("fusion/key/bias",)
LEVELS = 2


@functools.cache
def made(name):
    """A small network or backbone with weights that all matter, and BatchNorm for each level."""
    if name in MODELS:
        network = small(name, normalization="per_level")
    else:
        kind, row = BACKBONES[name]
        levels = "normalization_levels" in inspect.signature(kind.__init__).parameters
        network = kind(**row, **({"normalization_levels": LEVELS} if levels else {}))
    random = np.random.default_rng(0)
    for weight in network.weights:
        if len(weight.shape) == 1:
            weight.assign(weight + 0.1 * np.abs(random.standard_normal(weight.shape)))
    return network


@pytest.fixture(params=[*MODELS, *FIRST_OF_CLASS.values()])
def network(request):
    return made(request.param)


@pytest.fixture(params=MODELS)
def model(request):
    return made(request.param)


@pytest.fixture(params=FIRST_OF_CLASS.values())
def backbone(request):
    return made(request.param)


@pytest.fixture(scope="module")
def images():
    return tf.random.stateless_uniform((3, 96, 90, 3), (1, 2), -1, 1)


def assert_same(found, expected, tolerance):
    """Compares all tensors, in units of the largest value of each."""
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        largest = np.abs(other).max(initial=1)
        np.testing.assert_allclose(one, other, atol=tolerance * largest)


def test_networks_survive_saving(network, images, tmp_path):
    network.save(tmp_path / "network.keras")
    restored = load_keras(tmp_path / "network.keras")
    assert restored.get_config() == network.get_config()
    assert list(variable_names(restored)) == list(variable_names(network))
    assert_same(restored(images), network(images), 0)


def test_one_graph_takes_any_batch_and_size(network, images):
    traces = []

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def look(pixels):
        traces.append(1)
        return network(pixels)

    for pixels in (images, images[:1, :81, :88]):
        assert_same(look(pixels), network(pixels), 1e-4)
    assert len(traces) == 1


def test_weights_and_outputs_stay_float32_where_networks_compute_in_bfloat16(model, images):
    copy = copy_in(model, "bfloat16")
    assert {weight.dtype for weight in copy.weights} == {"float32"}
    for name, values in copy(images)._asdict().items():
        expected = tf.int32 if name in ("levels", "cells") else tf.float32
        assert {part.dtype for part in tf.nest.flatten(values)} <= {expected}, name


def test_backbones_compute_in_bfloat16_with_weights_in_float32(backbone, images):
    copy = copy_in(backbone, "bfloat16")
    assert {weight.dtype for weight in copy.weights} == {"float32"}
    assert [values.dtype for values in copy(images)] == [tf.bfloat16] * 2


def test_gradients_reach_every_weight(network, images):
    """Of networks, by predictions or by the probabilities of locations; of backbones, by level."""
    names = {name: v for name, v in variable_names(network).items() if v.trainable}
    with tf.GradientTape() as tape:
        if isinstance(network, Classifier):
            outputs = network(images, training=True)
            reached = [outputs.logits_by_count, outputs.feature_logits, outputs.log_probs]
        else:
            levels = range(1, LEVELS + 1)
            reached = [network(images, level=level, training=True)[0] for level in levels]
        total = tf.add_n([tf.reduce_sum(values**2) for values in reached])
    gradients = tape.gradient(total, [variable.value for variable in names.values()])
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient is not None, name
        assert np.isfinite(gradient).all(), name
        assert np.any(gradient) or name in UNREACHED, name


def test_a_pass_that_stops_early_is_the_beginning_of_the_whole_one(model, images):
    stops = model.stops(model.locations)
    whole = model(images)
    assert max(stops) == whole.boxes.shape[1]
    for count, locations in stops.items():
        outputs = model(images, locations=locations)
        for fields, length in ((BY_LOCATION, count), (BY_VECTOR, count + 1)):
            for name, rest in fields.items():
                assert getattr(outputs, name).shape == (len(images), length, *rest), name
        np.testing.assert_allclose(outputs.logits, whole.logits_by_count[:, count], atol=1e-5)
        for name in ("logits_by_count", "feature_logits", "boxes", "log_probs", "levels", "cells"):
            found = getattr(outputs, name)
            expected = getattr(whole, name)[:, : found.shape[1]]
            np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)


def test_networks_are_what_they_say_they_are(model, images):
    outputs = model(images)
    assert outputs.logits.shape == (3, model.classes)
    assert outputs.features.shape[0] == 3
    assert model.attends == (outputs.boxes.shape[1] > 0) == bool(model.locations)
    assert model.attends == (model.base_resolution is not None)
    assert (model.grid is not None) == (outputs.cells.shape[1] > 0)
    np.testing.assert_allclose(tf.reduce_sum(outputs.weights, axis=1), np.ones(3), rtol=1e-5)
    assert model.rules


def test_settings_know_every_network():
    assert NETWORKS.keys() == MODELS.keys()
    for name, network in NETWORKS.items():
        assert MODELS[name].attends != isinstance(network.attention, NoAttention)


def test_backbones_are_what_they_say_they_are(backbone, images):
    features, spatial = backbone(images)
    assert features.shape == (3, backbone.feature_channels)
    assert spatial.shape[-1] == backbone.grid_channels
    sides = [field_centres(side, backbone.grid_windows).size for side in images.shape[1:3]]
    assert spatial.shape[1:3] == sides

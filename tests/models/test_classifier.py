import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, TINY_MGNET, build

NETWORKS = {
    "tnet": (TINY, {"locations": (2, 1)}),
    "mgnet": (TINY_MGNET, {}),
    "feedforward": (TINY, {"model": "feedforward"}),
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request):
    config, changes = NETWORKS[request.param]
    return build(config, **changes)


@pytest.fixture(scope="module")
def images():
    """More images than locations, and an odd number of them."""
    return np.random.default_rng(0).uniform(-1, 1, (7, 48, 40, 3)).astype(np.float32)


def test_outputs_of_several_batches_are_those_of_one(model, images):
    predicted, expected = model.predict(images, batch_size=3, verbose=0), model(images)
    assert type(predicted) is type(expected)
    pairs = zip(tf.nest.flatten(predicted), tf.nest.flatten(expected), strict=True)
    for found, wanted in pairs:
        assert found.shape == wanted.shape
        assert len(found) == len(images)
        np.testing.assert_allclose(found, wanted, atol=1e-5)

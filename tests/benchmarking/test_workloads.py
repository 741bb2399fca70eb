import dataclasses

import numpy as np
import pytest

from tests.networks import TINY, TINY_MGNET
from tnet_tf.benchmarking import workloads
from tnet_tf.config import Config, DataConfig, ModelConfig

NETWORKS = {
    "tnet": dataclasses.replace(TINY, locations=(2, 1), normalization="per_level"),
    "mgnet": TINY_MGNET,
    "efficientnet": ModelConfig(
        model="feedforward", backbone="efficientnet_b0", base_resolution=(32, 32)
    ),
}


def network(name="tnet", seed=0):
    config = Config(model=NETWORKS[name], data=DataConfig(image_size=(64, 64)))
    config = dataclasses.replace(
        config, train=dataclasses.replace(config.train, seed=seed, batch_size=2)
    )
    return workloads.build_network(config, 4), config


@pytest.mark.parametrize("name", NETWORKS)
def test_no_bias_shift_or_scale_of_a_measured_network_is_0_or_1(name):
    model, config = network(name)
    vectors = {w.path: w.numpy() for w in model.weights if len(w.shape) == 1}
    assert any("moving_variance" in path for path in vectors)
    for path, values in vectors.items():
        assert not np.isin(values, (0, 1)).any(), path
        assert values.min() > 0 or "moving_variance" not in path
    locations = () if name == "efficientnet" else config.model.locations
    logits, _ = workloads.prediction(model, config, locations)()
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0


def test_measured_networks_have_the_statistics_of_their_seed():
    def statistics(seed):
        model, _ = network(seed=seed)
        return np.concatenate([w.numpy() for w in model.weights if "moving_" in w.path])

    np.testing.assert_array_equal(statistics(1), statistics(1))
    assert (statistics(1) != statistics(2)).all()

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.grappler import tf_optimizer

from tests.networks import TINY, TINY_MGNET
from tnet_tf.benchmarking import workloads
from tnet_tf.config import Config, DataConfig, ModelConfig
from tnet_tf.serving import saved_model

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


def operations(folder):
    """Kinds of operations of a SavedModel as TensorFlow runs it on a processor, once optimised."""
    graph = tf.saved_model.load(str(folder)).signatures["serving_default"].graph
    definition = graph.as_graph_def()
    functions = (function.node_def for function in definition.library.function)
    for node in itertools.chain(definition.node, *functions):
        node.device = "/job:localhost/replica:0/task:0/device:CPU:0"
    meta = tf.compat.v1.train.export_meta_graph(graph_def=definition, graph=graph)
    outputs = meta.collection_def["train_op"].node_list.value
    outputs.extend(output.name for output in graph.outputs)
    optimised = tf_optimizer.OptimizeGraph(config_pb2.ConfigProto(), meta)
    functions = (function.node_def for function in optimised.library.function)
    return {node.op for node in itertools.chain(optimised.node, *functions)}


def test_convolutions_of_a_measured_export_are_fused_as_a_trained_one_s_are(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "cpu_precision", lambda: "float32")
    feedforward = dataclasses.replace(TINY, model="feedforward")
    config = Config(model=feedforward, data=DataConfig(image_size=(64, 64)))
    saved_model.write_for_cpu(workloads.build_network(config, 4), tmp_path)
    found = operations(tmp_path)
    assert "_FusedConv2D" in found
    assert not {"Conv2D", "BiasAdd", "Relu"} & found

"""A rule made up here: its row and its class are all that the training step needs of it."""

import sys
import types
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build
from tests.training.test_step import SGD, batches, make_step, weights
from tnet_tf.config import Config, LearningConfig, ModelConfig, TrainConfig, learning, rules_of
from tnet_tf.config.networks import CellAttention
from tnet_tf.errors import UserError
from tnet_tf.learning.cross_entropy import reward
from tnet_tf.learning.learning_rule import LearningRule
from tnet_tf.models.tnet import TNet
from tnet_tf.training.devices import make_strategy

CHOSEN = LearningConfig(rule="where_alone", l2_weight=1e-3)


class LossTerms(NamedTuple):
    reinforce: tf.Tensor


class WhereAlone(LearningRule):
    """REINFORCE with the batch's mean reward as its baseline; trains the location module alone."""

    trains = ("location",)

    def terms(self, outputs, labels, image_weights=None):
        rewards = reward(outputs.logits, labels)
        replicas = tf.distribute.get_replica_context()
        baseline = replicas.all_reduce("MEAN", tf.reduce_mean(rewards))
        loss = -(rewards - baseline) * tf.reduce_sum(outputs.log_probs, axis=1)
        return LossTerms(tf.reduce_mean(loss)), tf.reduce_mean(rewards)


@pytest.fixture(autouse=True)
def _row(monkeypatch):
    module = types.ModuleType("where_alone")
    module.WhereAlone = WhereAlone
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = learning.Rule("where_alone:WhereAlone", (CellAttention,))
    monkeypatch.setitem(learning.RULES, CHOSEN.rule, row)
    monkeypatch.setattr(TNet, "rules", rules_of("tnet"))


def changed(before, after):
    """Names of the trainable weights that differ; of all but BatchNorm's moving statistics."""
    names = (name for name in before if "moving" not in name)
    return {name for name in names if (before[name] != after[name]).any()}


def test_a_rule_is_for_the_networks_of_its_row():
    run = TrainConfig(train_steps=1)
    Config(learning=CHOSEN, train=run).check()
    with pytest.raises(UserError, match="--model=mgnet learns by --rule=joint_classifiers"):
        Config(model=ModelConfig(model="mgnet"), learning=CHOSEN, train=run).check()
    assert rules_of("tnet") == ("reinforce", "where_alone")
    with pytest.raises(UserError, match=r"FeedForward learns by .*, not by where_alone; give it"):
        make_step(learning=CHOSEN, model="feedforward", normalization="shared")


def test_a_step_trains_and_penalises_what_the_rule_names():
    step = make_step(SGD, CHOSEN)
    before = weights(step)
    for batch in batches(2):
        metrics = step(batch)
    of_location = {name for name in before if name.startswith("location/")}
    assert changed(before, weights(step)) == of_location
    penalised = sum(np.sum(before[n] ** 2) for n in of_location if "normalization" not in n)
    np.testing.assert_allclose(metrics["l2"], 1e-3 * penalised, rtol=1e-2)
    np.testing.assert_allclose(metrics["loss"], metrics["reinforce"] + metrics["l2"], rtol=1e-6)
    assert "baseline" not in metrics


def test_fit_trains_what_the_rule_names(tmp_path):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.Adam(1e-2), learning=CHOSEN)
    before = {weight.path: weight.numpy() for weight in model.weights}
    data = batches(2).map(lambda batch: (tf.tanh(batch.images), batch.labels))
    model.fit(data, verbose=0, shuffle=False)
    moved = changed(before, {weight.path: weight.numpy() for weight in model.weights})
    assert moved == {name for name in before if "/location/" in name}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(data, verbose=0, shuffle=False)
    for one, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6, err_msg=one.path)


def test_a_baseline_of_the_whole_batch_is_the_same_on_several_devices():
    found = []
    for devices in (1, 2):
        with make_strategy(devices).scope():
            step = make_step(SGD, CHOSEN)
        data = step.strategy.experimental_distribute_dataset(batches(2))
        losses = [float(step(batch)["reinforce"]) for batch in data]
        found.append((losses, weights(step)))
    (losses, one), (others, two) = found
    assert any(losses)
    np.testing.assert_allclose(others, losses, rtol=1e-4)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-5, err_msg=name)

"""What holds of every learning rule, with every network that learns by it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build
from tnet_tf.config import LearningConfig, ModelConfig
from tnet_tf.config.learning import RULES
from tnet_tf.learning.learning_rule import LearningRule, learning_rule
from tnet_tf.models.weights.names import variable_names
from tnet_tf.training.rule_of_network import trained_weights

PAIRS = [(name, network) for name, rule in RULES.items() for network in rule.networks]
LABELS = tf.constant([0, 1, 2, 3, 0])


def test_every_network_learns_by_a_rule():
    networks = ModelConfig.__dataclass_fields__["model"].metadata["choices"]
    assert {network for rule in RULES.values() for network in rule.networks} == set(networks)


@pytest.mark.parametrize(("name", "network"), PAIRS)
def test_a_rule_gives_named_scalars_whose_gradients_reach_what_it_trains(name, network):
    keras.utils.set_random_seed(0)
    rule, model = learning_rule(LearningConfig(rule=name)), build(model=network)
    assert isinstance(rule, LearningRule)
    before = {key: variable.numpy() for key, variable in rule.state.items()}
    weights = trained_weights(model, rule)
    assert weights
    with tf.GradientTape() as tape:
        outputs = model(tf.random.stateless_uniform((5, 48, 64, 3), (0, 0), -1, 1), training=True)
        terms, mean_reward = rule.terms(outputs, LABELS)
        loss = tf.add_n(list(terms._asdict().values()))
    assert all(term.shape == () for term in terms)
    assert np.isfinite(loss)
    assert 0 <= float(mean_reward) <= 1
    gradients = tape.gradient(loss, [variable.value for variable in weights.values()])
    assert not [key for key, g in zip(weights, gradients, strict=True) if g is None]
    assert {key: variable.numpy() for key, variable in rule.state.items()} == before
    with tf.GradientTape() as tape:
        outputs = model(tf.zeros((5, 48, 64, 3)), training=True)
        _, mean_reward = rule.terms(outputs, LABELS)
    sources = [variable.value for variable in variable_names(model).values()]
    assert not [g for g in tape.gradient(mean_reward, sources) if g is not None]


@pytest.mark.parametrize("name", RULES)
def test_all_state_of_a_rule_moves_by_update(name):
    rule = learning_rule(LearningConfig(rule=name))
    before = {key: variable.numpy() for key, variable in rule.state.items()}
    rule.update(tf.constant(1.0))
    assert all(variable.numpy() != before[key] for key, variable in rule.state.items())
    assert learning_rule(LearningConfig(rule=name)).state.keys() == before.keys()

from typing import NamedTuple

import pytest
import tensorflow as tf

from tests.training.test_step import batches, make_step
from tnet_tf import config as settings
from tnet_tf.config import Config, LearningConfig, ModelConfig, TrainConfig, learning
from tnet_tf.errors import UserError
from tnet_tf.learning.cross_entropy import cross_entropy, reward
from tnet_tf.training import objective


class LossTerms(NamedTuple):
    """The only term of a rule made up here: the last prediction's cross-entropy."""

    last: tf.Tensor


def last_prediction(outputs, labels, baseline, config, image_weights=None):
    loss = tf.reduce_mean(cross_entropy(outputs.logits, labels))
    return LossTerms(loss), tf.reduce_mean(reward(outputs.logits, labels))


@pytest.fixture
def new_rule(monkeypatch):
    monkeypatch.setitem(learning.RULES, "last_prediction", ("tnet",))
    monkeypatch.setitem(objective.RULES, "last_prediction", last_prediction)
    return LearningConfig(rule="last_prediction")


def test_a_rule_of_two_rows_is_one_to_learn_by(new_rule):
    metrics = make_step(learning=new_rule)(next(iter(batches(1))))
    assert float(metrics["last"]) == pytest.approx(float(metrics["loss"])) != 0


def test_a_rule_is_for_the_networks_of_its_row(new_rule):
    run = TrainConfig(train_steps=1)
    Config(learning=new_rule, train=run).check()
    with pytest.raises(UserError, match="--model=mgnet learns by --rule=joint_classifiers"):
        Config(model=ModelConfig(model="mgnet"), learning=new_rule, train=run).check()
    assert settings.rules_of("tnet") == ("reinforce", "last_prediction")

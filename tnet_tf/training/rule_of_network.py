"""By which rule a network learns, and which of its weights."""

import keras

from tnet_tf.config import LearningConfig
from tnet_tf.errors import UserError
from tnet_tf.learning.learning_rule import LearningRule, learning_rule
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.weights.names import variable_names


def rule_of(model: Classifier, config: LearningConfig) -> LearningRule:
    """The learning rule that settings name, with fresh variables.

    Raises:
      UserError: when it is none by which the network learns.
    """
    if config.rule not in model.rules:
        raise UserError(
            f"{type(model).__name__} learns by the rule {' or '.join(model.rules)}, not by "
            f"{config.rule}; give it learning=LearningConfig(rule={model.rules[0]!r})"
        )
    return learning_rule(config)


def trained_weights(model: Classifier, rule: LearningRule) -> dict[str, keras.Variable]:
    """The trainable weights by name that a rule trains, see `LearningRule.trains`."""
    trained = tuple(f"{module}/" for module in rule.trains) or ("",)
    names = variable_names(model).items()
    return {name: v for name, v in names if v.trainable and name.startswith(trained)}

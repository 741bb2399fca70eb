"""What a learning rule is: loss terms and reward of a batch, and variables of its own."""

import abc
import pkgutil
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tnet_tf.config import LearningConfig
from tnet_tf.config.learning import RULES
from tnet_tf.outputs import Outputs


class LearningRule(abc.ABC):
    """How a network learns from a batch; it sees the network's outputs, never the network.

    Each rule is a file here and a row in `RULES` of `tnet_tf/config/learning.py`.

    Args:
      config: settings of all rules.

    Attributes:
      trains: the modules whose weights the rule trains, by the first parts of the weights' names,
        such as 'location' or 'feature_extraction/head'; empty: all of the network's weights.
    """

    trains: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: LearningConfig):
        self.config = config

    @property
    def state(self) -> Mapping[str, tf.Variable]:
        """The rule's own variables by name, scalars: reported with each step, kept in checkpoints.

        Their `aggregation` says how the replicas' values are put together.
        """
        return {}

    @abc.abstractmethod
    def terms(
        self, outputs: Outputs, labels: tf.Tensor, image_weights: tf.Tensor | None = None
    ) -> tuple[Any, tf.Tensor]:
        """What is to be minimised; it changes no variable. Called on each replica.

        Args:
          outputs: of n images, this replica's share of the batch.
          labels: (n,) int32.
          image_weights: (n,) float32, what each image's cross-entropies are multiplied by; None: 1.

        Returns:
          A named tuple of loss terms, whose sum is the loss: scalars, means over the images. And
          the mean reward, a scalar in [0, 1] that carries no gradient: how often the network was
          right.
        """

    def update(self, mean_reward: tf.Tensor) -> None:
        """Moves the rule's variables once `terms` have been used. Called on each replica.

        Args:
          mean_reward: scalar in [0, 1], this replica's, as `terms` gives it.
        """
        del mean_reward  # A rule without variables has nothing to move.


def learning_rule(config: LearningConfig) -> LearningRule:
    """The rule that `config.rule` names, with fresh variables."""
    rule: type[LearningRule] = pkgutil.resolve_name(RULES[config.rule].implementation)
    return rule(config)

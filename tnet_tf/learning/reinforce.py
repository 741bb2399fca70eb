"""TNet's learning rule: REINFORCE with per-feature regularisation (eq. 1 to 3, appendix 1)."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from tnet_tf.config import LearningConfig
from tnet_tf.learning.baseline import RewardBaseline
from tnet_tf.learning.cross_entropy import cross_entropy, reward
from tnet_tf.learning.learning_rule import LearningRule
from tnet_tf.outputs import Outputs


class LossTerms(NamedTuple):
    """The four terms of eq. 3, weighted; all scalars, means over the N * M examples.

    Attributes:
      classification: cross-entropy of the whole sequence, times lambda_c.
      reinforce: reward times log-probability of the sequence, times lambda_f * lambda_r.
      feature_classification: mean cross-entropy of the single vectors, times 1 - lambda_c.
      feature_reinforce: the same for single locations, times lambda_f * (1 - lambda_r).
    """

    classification: tf.Tensor
    reinforce: tf.Tensor
    feature_classification: tf.Tensor
    feature_reinforce: tf.Tensor


class Rewards(NamedTuple):
    """1.0 where a prediction is right, else 0.0 (4.1, 4.2).

    Attributes:
      sequence: (n,) R_s, of the prediction after all L locations.
      features: (n, L) R_k, of the prediction from each attended location alone.
    """

    sequence: tf.Tensor
    features: tf.Tensor


class Reinforce(LearningRule):
    """Loss terms whose gradients are the updates of eq. 3, and the baseline of their rewards.

    Feed-forward outputs (no locations) make it plain cross-entropy. Label smoothing and weights of
    images are the cross-entropy terms' alone: a reward says whether a prediction is right, and
    where to look is learned from every image alike.

    Args:
      config: lambda_f, lambda_c, lambda_r, per_feature_levels and label_smoothing.

    Attributes:
      baseline: b; no gradient flows into it, nor into the rewards.
    """

    def __init__(self, config: LearningConfig):
        super().__init__(config)
        self.baseline = RewardBaseline()

    @property
    def state(self) -> Mapping[str, tf.Variable]:
        """The baseline."""
        return {"baseline": self.baseline.value}

    def terms(
        self, outputs: Outputs, labels: tf.Tensor, image_weights: tf.Tensor | None = None
    ) -> tuple[LossTerms, tf.Tensor]:
        """The terms of eq. 3, and the mean reward that updates the baseline.

        The mean reward is lambda_r * mean R_s + (1 - lambda_r) * mean R_k; mean R_s alone where no
        single location is regularised. Arguments are those of `LearningRule.terms`.
        """
        capped = self.config.per_feature_levels or outputs.levels.dtype.max
        attended = tf.cast(outputs.levels <= capped, tf.float32)
        classification, feature_classification = self._classification(
            outputs, labels, attended, image_weights
        )
        rewards = Rewards(
            reward(outputs.logits, labels),
            reward(outputs.feature_logits[:, 1:], labels[:, tf.newaxis]),
        )
        reinforce, feature_reinforce = self._reinforce(outputs.log_probs, rewards, attended)
        terms = LossTerms(classification, reinforce, feature_classification, feature_reinforce)
        return terms, self._mean_reward(rewards, attended)

    def update(self, mean_reward: tf.Tensor) -> None:
        """Moves the baseline (eq. 2)."""
        self.baseline.update(mean_reward)

    def _classification(
        self,
        outputs: Outputs,
        labels: tf.Tensor,
        attended: tf.Tensor,
        image_weights: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Cross-entropies of the whole sequence and of single vectors, weighted."""
        smoothing, lambda_c = self.config.label_smoothing, self.config.lambda_c
        # The thumbnail, level 1, always counts.
        vectors = tf.pad(attended, [[0, 0], [1, 0]], constant_values=1.0)
        sequence_loss = cross_entropy(outputs.logits, labels, smoothing, image_weights)
        feature_loss = cross_entropy(
            outputs.feature_logits, labels[:, tf.newaxis], smoothing, image_weights
        )
        return (
            lambda_c * tf.reduce_mean(sequence_loss),
            (1 - lambda_c) * tf.reduce_mean(_mean_of_counted(feature_loss, vectors)),
        )

    def _reinforce(
        self, log_probs: tf.Tensor, rewards: Rewards, attended: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """REINFORCE terms of the whole sequence and of single locations, weighted (eq. 1, 3)."""
        lambda_f, lambda_r = self.config.lambda_f, self.config.lambda_r
        advantage = tf.stop_gradient(rewards.sequence - self.baseline.value)
        feature_advantage = tf.stop_gradient(rewards.features - self.baseline.value)
        reinforce = advantage * -tf.reduce_sum(log_probs, axis=1)
        feature_reinforce = _mean_of_counted(feature_advantage * -log_probs, attended)
        return (
            lambda_f * lambda_r * tf.reduce_mean(reinforce),
            lambda_f * (1 - lambda_r) * tf.reduce_mean(feature_reinforce),
        )

    def _mean_reward(self, rewards: Rewards, attended: tf.Tensor) -> tf.Tensor:
        """Scalar: what the baseline follows."""
        lambda_r = self.config.lambda_r
        location_reward = tf.where(
            tf.reduce_any(attended > 0, axis=1),
            _mean_of_counted(rewards.features, attended),
            rewards.sequence,
        )
        mean_reward = lambda_r * rewards.sequence + (1 - lambda_r) * location_reward
        return tf.stop_gradient(tf.reduce_mean(mean_reward))


def _mean_of_counted(values: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """(n,) mean over the vectors (n, L) of each image whose `counted` is 1; 0 if there are none."""
    return tf.math.divide_no_nan(
        tf.reduce_sum(values * counted, axis=1), tf.reduce_sum(counted, axis=1)
    )

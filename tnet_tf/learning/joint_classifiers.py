"""MGNet's learning rule: global and glimpse classifiers learn together (MGNet paper, 3.4)."""

from typing import NamedTuple

import tensorflow as tf

from tnet_tf.learning.cross_entropy import cross_entropy, reward
from tnet_tf.learning.learning_rule import LearningRule
from tnet_tf.outputs import Outputs


class LossTerms(NamedTuple):
    """The two terms of eq. 6, weighted; scalars, means over the images.

    Attributes:
      global_classifier: mean cross-entropy after every glimpse (eq. 7), times 1 - alpha.
      glimpse_classifier: mean cross-entropy of single glimpses (eq. 8), times alpha.
    """

    global_classifier: tf.Tensor
    glimpse_classifier: tf.Tensor


class JointClassifiers(LearningRule):
    """Loss terms by eq. 6 to 8.

    Eq. 8 averages over glimpses 1 .. T, the published code over 2 .. T
    (`LearningConfig.glimpse_loss`). With one glimpse there is then no such loss, and the global
    classifier's counts in full.

    Args:
      config: glimpse_weight (alpha), glimpse_loss and label_smoothing.
    """

    def terms(
        self, outputs: Outputs, labels: tf.Tensor, image_weights: tf.Tensor | None = None
    ) -> tuple[LossTerms, tf.Tensor]:
        """The terms, and the share of right predictions after the last glimpse.

        Arguments are those of `LearningRule.terms`.
        """
        first = 1 if self.config.glimpse_loss == "after_first" else 0
        of_glimpses = outputs.feature_logits[:, first:]
        alpha = self.config.glimpse_weight if of_glimpses.shape[1] else 0.0

        def mean_loss(logits: tf.Tensor) -> tf.Tensor:
            """Over images and glimpses."""
            smoothing = self.config.label_smoothing
            return tf.reduce_mean(
                cross_entropy(logits, labels[:, tf.newaxis], smoothing, image_weights)
            )

        terms = LossTerms(
            (1 - alpha) * mean_loss(outputs.logits_by_count),
            alpha * mean_loss(of_glimpses) if alpha else tf.zeros(()),
        )
        return terms, tf.reduce_mean(reward(outputs.logits, labels))

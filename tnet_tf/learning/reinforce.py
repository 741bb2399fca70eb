"""The learning rule with per-feature regularisation (paper eq. 1 to 3, appendix 1)."""

from typing import NamedTuple

import tensorflow as tf

from tnet_tf.config import LearningConfig
from tnet_tf.learning.cross_entropy import cross_entropy, reward
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


def learning_rule(
    outputs: Outputs,
    labels: tf.Tensor,
    baseline: tf.Tensor,
    config: LearningConfig,
    image_weights: tf.Tensor | None = None,
) -> tuple[LossTerms, tf.Tensor]:
    """Loss terms of a batch whose gradients are the updates of eq. 3.

    Feed-forward outputs (no locations) make it plain cross-entropy. Label smoothing and weights of
    images are the cross-entropy terms' alone: a reward says whether a prediction is right, and
    where to look is learned from every image alike.

    Args:
      outputs: of n images.
      labels: (n,) int32.
      baseline: scalar b; no gradient flows into it, nor into the rewards.
      config: lambda_f, lambda_c, lambda_r, per_feature_levels and label_smoothing.
      image_weights: (n,), what each image's cross-entropies are multiplied by; None: 1.

    Returns:
      The terms, and the mean reward lambda_r * mean R_s + (1 - lambda_r) * mean R_k that updates
      the baseline; mean R_s alone where no single location is regularised.
    """
    capped = config.per_feature_levels or outputs.levels.dtype.max
    attended = tf.cast(outputs.levels <= capped, tf.float32)
    # The thumbnail, level 1, always counts.
    vectors = tf.pad(attended, [[0, 0], [1, 0]], constant_values=1.0)

    smoothing = config.label_smoothing
    sequence_loss = cross_entropy(outputs.logits, labels, smoothing, image_weights)
    feature_loss = cross_entropy(
        outputs.feature_logits, labels[:, tf.newaxis], smoothing, image_weights
    )
    sequence_reward = reward(outputs.logits, labels)
    feature_reward = reward(outputs.feature_logits[:, 1:], labels[:, tf.newaxis])

    def per_image(values: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
        """Mean over the counted vectors of each image; 0 where there are none."""
        return tf.math.divide_no_nan(
            tf.reduce_sum(values * counted, axis=1), tf.reduce_sum(counted, axis=1)
        )

    advantage = tf.stop_gradient(sequence_reward - baseline)
    feature_advantage = tf.stop_gradient(feature_reward - baseline)
    reinforce = advantage * -tf.reduce_sum(outputs.log_probs, axis=1)
    feature_reinforce = per_image(feature_advantage * -outputs.log_probs, attended)

    lambda_f, lambda_c, lambda_r = config.lambda_f, config.lambda_c, config.lambda_r
    terms = LossTerms(
        lambda_c * tf.reduce_mean(sequence_loss),
        lambda_f * lambda_r * tf.reduce_mean(reinforce),
        (1 - lambda_c) * tf.reduce_mean(per_image(feature_loss, vectors)),
        lambda_f * (1 - lambda_r) * tf.reduce_mean(feature_reinforce),
    )
    location_reward = tf.where(
        tf.reduce_any(attended > 0, axis=1), per_image(feature_reward, attended), sequence_reward
    )
    mean_reward = lambda_r * sequence_reward + (1 - lambda_r) * location_reward
    return terms, tf.stop_gradient(tf.reduce_mean(mean_reward))

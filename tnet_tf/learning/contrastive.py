"""The contrastive loss of the fine-grained experiments (appendix eq. 9)."""

import tensorflow as tf


def contrastive_loss(features: tf.Tensor, labels: tf.Tensor, alpha: float) -> tf.Tensor:
    """Pulls features of one class together and pushes other classes below a similarity.

    Args:
      features: (n, C) averaged feature vectors.
      labels: (n,) int32.
      alpha: cosine similarity that features of different classes may reach.

    Returns:
      Scalar: the mean over all n * n pairs, self-pairs included; lambda_con is not applied.
    """
    unit = tf.nn.l2_normalize(features, axis=1)
    similarity = tf.matmul(unit, unit, transpose_b=True)
    same = labels[:, tf.newaxis] == labels
    return tf.reduce_mean(tf.where(same, 1 - similarity, tf.nn.relu(similarity - alpha)))

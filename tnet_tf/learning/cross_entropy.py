"""What all learning rules measure: cross-entropy, and whether a prediction is right."""

import tensorflow as tf


def cross_entropy(
    logits: tf.Tensor,
    labels: tf.Tensor,
    smoothing: float = 0.0,
    image_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """-log p(label): logits (n, .., classes) and labels that broadcast to (n, ..) give (n, ..).

    Args:
      logits: of n images.
      labels: int32.
      smoothing: label smoothing s (Szegedy et al., 2016): the target is the label with 1 - s, and
        every class with s / classes more.
      image_weights: (n,), what the images' values are multiplied by; None: 1.
    """
    labels = tf.broadcast_to(labels, tf.shape(logits)[:-1])
    values = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if smoothing:
        of_all = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
        values = (1 - smoothing) * values + smoothing * of_all
    if image_weights is not None:
        values *= tf.reshape(image_weights, (-1, *[1] * (len(values.shape) - 1)))
    return values


def reward(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1.0 where the most probable class is the label, else 0.0; shapes as in `cross_entropy`."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels, tf.float32)

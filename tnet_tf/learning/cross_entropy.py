"""What all learning rules measure: cross-entropy, and whether a prediction is right."""

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-log p(label): logits (.., classes) and labels that broadcast to (..) give (..)."""
    labels = tf.broadcast_to(labels, tf.shape(logits)[:-1])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def reward(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1.0 where the most probable class is the label, else 0.0; shapes as in `cross_entropy`."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels, tf.float32)

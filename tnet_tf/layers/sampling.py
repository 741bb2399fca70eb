"""Selecting locations from the location module's probabilities (paper 3.1, appendix 1.2)."""

import tensorflow as tf

# The published code's guard against log(0).
_TINY = 1e-10


def top_k(probabilities: tf.Tensor, count: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The `count` most probable cells of each grid: the paper's approximation of sampling.

    Args:
      probabilities: (grids, cells), rows sum to 1.
      count: locations per grid.

    Returns:
      cells: (grids, count) int32 raster indices, most probable first.
      log_probs: (grids, count), log p of each; not renormalised (appendix 1.2).
    """
    return highest(probabilities, probabilities, count)


def highest(
    scores: tf.Tensor, probabilities: tf.Tensor, count: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The `count` cells of each grid with the highest scores, by falling score.

    Args:
      scores: (grids, cells); of equal ones the first in raster order is taken.
      probabilities: (grids, cells), rows sum to 1.
      count: locations per grid.

    Returns:
      cells: (grids, count) int32 raster indices.
      log_probs: (grids, count), log p of each.
    """
    cells = tf.math.top_k(scores, count).indices
    chosen = tf.gather(probabilities, cells, batch_dims=1)
    return cells, tf.math.log(chosen + _TINY)


def without_replacement(
    probabilities: tf.Tensor, count: int | tf.Tensor, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws `count` cells of each grid one after the other, never one twice.

    Adding Gumbel noise to log-probabilities and taking the largest draws exactly from the
    distribution of appendix eq. 7.

    Args:
      probabilities: (grids, cells), rows sum to 1.
      count: locations per grid.
      key: (2,) int32 random key.

    Returns:
      cells: (grids, count) int32 raster indices in the order drawn.
      log_probs: (grids, count), see `log_probs_without_replacement`.
    """
    uniform = tf.random.stateless_uniform(tf.shape(probabilities), key, minval=_TINY)
    noise = -tf.math.log(-tf.math.log(uniform))
    cells = tf.math.top_k(tf.math.log(probabilities + _TINY) + noise, count).indices
    return cells, log_probs_without_replacement(probabilities, cells)


def log_probs_without_replacement(probabilities: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
    """The factors of appendix eq. 7: log-probability of each draw given those before it.

    Args:
      probabilities: (grids, cells), rows sum to 1.
      cells: (grids, count) int32, in the order drawn.

    Returns:
      (grids, count); the sum over a row is the log-probability of its sequence.
    """
    drawn = tf.one_hot(cells, tf.shape(probabilities)[1], dtype=probabilities.dtype)
    taken = tf.cumsum(drawn, axis=1, exclusive=True)
    left = tf.reduce_sum(probabilities[:, tf.newaxis] * (1 - taken), axis=2)
    chosen = tf.reduce_sum(probabilities[:, tf.newaxis] * drawn, axis=2)
    return tf.math.log(chosen + _TINY) - tf.math.log(left + _TINY)

"""L2 regularisation (appendix 2.2)."""

from collections.abc import Iterable

import tensorflow as tf


def sum_of_squares(variables: Iterable[tf.Variable]) -> tf.Tensor:
    """Sum of the squares of all entries, a scalar; `l2_weight` is not applied."""
    return tf.add_n([tf.reduce_sum(tf.square(tf.convert_to_tensor(v))) for v in variables])

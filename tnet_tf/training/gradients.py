"""What happens to gradients between loss and optimiser: clipping, and the loss's scale."""

from collections.abc import Sequence

import tensorflow as tf

Gradients = list[tf.Tensor | None]


def clip_by_global_norm(
    gradients: Sequence[tf.Tensor | None], most: float
) -> tuple[Gradients, tf.Tensor]:
    """Shrinks gradients whose norm, over all weights and replicas together, is too large.

    The norm is that of the sum over replicas, which is what the optimisers apply; so the result is
    the same on any number of devices. To be called for each replica.

    Args:
      gradients: this replica's, a tensor for each weight; None for those the loss does not reach.
      most: the norm that gradients may have.

    Returns:
      This replica's gradients, all multiplied by the same factor; and the norm, a scalar, as it was
      before.
    """
    replicas = tf.distribute.get_replica_context()
    total = [gradient for gradient in gradients if gradient is not None]
    if replicas.num_replicas_in_sync > 1:
        total = replicas.all_reduce(tf.distribute.ReduceOp.SUM, total)
    norm = tf.linalg.global_norm(total)
    factor = most / tf.maximum(norm, most)
    return [None if gradient is None else gradient * factor for gradient in gradients], norm


class LossScale(tf.Module):
    """The factor on the loss that keeps float16's gradients from vanishing (Micikevicius, 2018).

    It is halved when a gradient overflows, and that step is left out; it is doubled after a number
    of steps without. One factor for all optimisers of a run.

    Args:
      growth_steps: good steps after which it is doubled.

    Attributes:
      value: the factor, a float32 variable.
      good_steps: since it last changed, an int64 variable.
    """

    INITIAL = 2.0**15

    def __init__(self, growth_steps: int = 2000):
        super().__init__()
        self.growth_steps = growth_steps
        self.value = tf.Variable(self.INITIAL, trainable=False, name="loss_scale")
        self.good_steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="good_steps")

    def unscale(self, gradients: Sequence[tf.Tensor | None]) -> Gradients:
        """The gradients of the loss, from those of the loss times the factor."""
        return [None if gradient is None else gradient / self.value for gradient in gradients]

    def update(self, finite: tf.Tensor) -> None:
        """Adapts the factor after a step; outside of replicas.

        Args:
          finite: scalar bool, whether all gradients were numbers.
        """
        good_steps = tf.where(finite, self.good_steps + 1, 0)
        grows = good_steps >= self.growth_steps
        change = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self.value.assign(self.value * change)
        self.good_steps.assign(tf.where(grows, tf.zeros_like(good_steps), good_steps))


def all_finite(gradients: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """Scalar bool: whether this replica's gradients are all numbers, none of them infinite."""
    return tf.reduce_all(
        [tf.reduce_all(tf.math.is_finite(each)) for each in gradients if each is not None]
    )

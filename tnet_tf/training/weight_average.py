"""A moving average of the weights, which often predicts better than the last weights."""

import keras
import tensorflow as tf

from tnet_tf.models.precision import copy_in


class WeightAverage:
    """An exponential moving average of a network's weights, kept as a network of its own.

    average <- d * average + (1 - d) * weights, after every step. BatchNorm's moving statistics are
    averaged in the same way, so that they stay those of the weights they belong to.

    Args:
      model: the network that is trained.
      decay: d, 0 to below 1. In the first steps it is (1 + step) / (10 + step) where that is less,
        as in `tf.train.ExponentialMovingAverage`, so that the initial weights are soon forgotten.
      precision: what the averaged network computes in, see `computing_in`.

    Attributes:
      model: the averaged network.
    """

    def __init__(self, model: keras.Model, decay: float, precision: str = "float32"):
        self.decay, self.strategy = decay, tf.distribute.get_strategy()
        self.model = copy_in(model, precision)
        self._pairs = [
            (average.value, weight.value)
            for average, weight in zip(self.model.weights, model.weights, strict=True)
        ]

    def update(self, step: tf.Tensor) -> None:
        """Moves the average towards the weights; outside of replicas.

        Args:
          step: scalar, steps done, this one included.
        """
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1 + step) / (10 + step))

        def move(average: tf.Variable, weight: tf.Tensor) -> None:
            average.assign(decay * average + (1 - decay) * weight)

        # Every device averages its own copy, without a word to the others.
        for average, weight in self._pairs:
            self.strategy.extended.update(average, move, args=(weight,))

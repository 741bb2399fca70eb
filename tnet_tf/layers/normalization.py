"""BatchNorm, shared by all processing levels or kept per level."""

import functools
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tnet_tf")
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation of channels-last maps with one set of weights per processing level.

    One BatchNorm shared by levels normalises thumbnails and crops each with their own statistics in
    training but with one mixed moving average in inference; where levels look different, inference
    then fails while training succeeds. Sets kept per level avoid that; `levels=1` is the paper's
    shared layer. Levels past the last set reuse it.

    Under `tf.distribute` statistics are those of the global batch.

    Args:
      levels: number of sets of weights.
      momentum: of the moving averages.
      epsilon: added to the variance.
    """

    def __init__(
        self, levels: int = 1, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.levels, self.momentum, self.epsilon = levels, momentum, epsilon

    def build(self, input_shape: Any) -> None:
        """Makes `levels` sets of gamma, beta, moving mean and moving variance, each (C,)."""
        self.gamma, self.beta, self.moving_mean, self.moving_variance = [], [], [], []
        for level in range(1, self.levels + 1):
            suffix = f"_{level}" if self.levels > 1 else ""

            def add(name: str, start: str, trainable: bool, suffix: str = suffix) -> Any:
                return self.add_weight(
                    shape=(input_shape[-1],),
                    initializer=start,
                    trainable=trainable,
                    aggregation="mean",
                    autocast=False,
                    name=name + suffix,
                )

            self.gamma.append(add("gamma", "ones", True))
            self.beta.append(add("beta", "zeros", True))
            self.moving_mean.append(add("moving_mean", "zeros", False))
            self.moving_variance.append(add("moving_variance", "ones", False))
        self.built = True

    def call(self, inputs: tf.Tensor, level: int = 1, training: bool = False) -> tf.Tensor:
        """Normalises (n, h, w, C) maps of the given processing level, counted from 1."""
        if training:
            return self.normalize(inputs, level)[0]
        scale, shift = (tf.cast(part, inputs.dtype) for part in self.scale_and_shift(level))
        return inputs * scale + shift

    def normalize(self, inputs: tf.Tensor, level: int = 1) -> tuple[tf.Tensor, ...]:
        """Normalises by the batch's own statistics and updates the moving averages.

        Returns:
          The normalised maps, and what `inputs` were multiplied by and what was then added, each
          (C,) float32.
        """
        own = self._own(level)
        gamma, beta = self.gamma[own].value, self.beta[own].value
        replicas = tf.distribute.get_replica_context()
        count = tf.cast(tf.size(inputs[..., 0]), tf.float32)
        if replicas is None or replicas.num_replicas_in_sync == 1:
            outputs, mean, unbiased = tf.compat.v1.nn.fused_batch_norm(
                inputs, gamma, beta, epsilon=self.epsilon
            )
        else:
            count *= replicas.num_replicas_in_sync
            outputs, mean, unbiased = self._global(inputs, gamma, beta, count, replicas)
        averages = (self.moving_mean[own], mean), (self.moving_variance[own], unbiased)
        for average, value in averages:
            average.assign(average.value * self.momentum + value * (1 - self.momentum))
        scale = gamma * tf.math.rsqrt(unbiased * (count - 1) / count + self.epsilon)
        return outputs, scale, beta - mean * scale

    def scale_and_shift(self, level: int = 1) -> tuple[tf.Tensor, tf.Tensor]:
        """What inference multiplies channels by and then adds, each (C,) float32."""
        own = self._own(level)
        scale = self.gamma[own].value * tf.math.rsqrt(
            self.moving_variance[own].value + self.epsilon
        )
        return scale, self.beta[own].value - self.moving_mean[own].value * scale

    def _own(self, level: int) -> int:
        return min(level, self.levels) - 1

    def _global(
        self,
        inputs: tf.Tensor,
        gamma: tf.Tensor,
        beta: tf.Tensor,
        count: tf.Tensor,
        replicas: Any,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Normalises with the statistics of all replicas, as one device would.

        In two passes: the mean first, then squares of differences from it. Mean square minus
        squared mean would lose a deviation that is small beside the mean.
        """
        everywhere = functools.partial(replicas.all_reduce, tf.distribute.ReduceOp.MEAN)
        values = tf.cast(inputs, tf.float32)
        # The results do not depend on what is subtracted, so no gradient needs to pass through it.
        rough = tf.stop_gradient(everywhere(tf.reduce_mean(values, (0, 1, 2))))
        centred = values - rough
        # The rounding of a large mean shows in the centred values, and is taken out of them.
        rest, square = everywhere(
            [tf.reduce_mean(centred, (0, 1, 2)), tf.reduce_mean(centred**2, (0, 1, 2))]
        )
        variance = tf.nn.relu(square - rest**2)
        outputs = tf.nn.batch_normalization(centred, rest, variance, beta, gamma, self.epsilon)
        # The fused kernel reports the unbiased variance; so must this path.
        unbiased = variance * count / (count - 1)
        return tf.cast(outputs, inputs.dtype), rough + rest, unbiased

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        own = {"levels": self.levels, "momentum": self.momentum, "epsilon": self.epsilon}
        return {**super().get_config(), **own}

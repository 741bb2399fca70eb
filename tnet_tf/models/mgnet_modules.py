"""MGNet's modules besides the backbone (MGNet paper, 3.2 to 3.4)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers.initializers import kaiming_initializer

# The positions of the fused vectors, and everything after it, are float32 whatever the backbone
# computes in.
_PRECISION = "float32"


class FeatureFusion(keras.layers.Layer):
    """The feature fusion module: attention with one head over the glimpses so far (eq. 3).

    As in eq. 3, every vector asks, and of the answers only the last one is kept; the published
    FLOPs count them all. What takes time is reading the weights, not these few rows.

    Args:
      channels: d, of the vectors.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(dtype=_PRECISION, **kwargs)
        self.channels = channels
        self.query, self.key, self.value = (
            _dense(channels, name) for name in ("query", "key", "value")
        )
        self.output_layer = _dense(channels, "output")
        self.normalization = keras.layers.LayerNormalization(
            epsilon=1e-5, name="normalization", dtype=_PRECISION
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        for layer in (self.query, self.key, self.value, self.output_layer, self.normalization):
            layer.build((None, self.channels))
        self.built = True

    def call(self, vectors: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Fuses the vectors of t glimpses.

        Args:
          vectors: h'_1 .. h'_t, each (n, d).

        Returns:
          F_t, (n, d), and what each vector weighs in it, (n, t); rows sum to 1.
        """
        seen = tf.stack(vectors, axis=1)
        scores = tf.matmul(self.query(seen), self.key(seen), transpose_b=True)
        weights = tf.nn.softmax(scores / self.channels**0.5)
        attended = self.output_layer(tf.matmul(weights, self.value(seen)))
        return tf.nn.relu(self.normalization(attended[:, -1])), weights[:, -1]


class LocalizationNetwork(keras.layers.Layer):
    """Where to look next: an affine vector for every fused feature (eq. 4).

    Args:
      channels: of the fused feature.
      region_scale: least and greatest scale.
      gradient_scale: s, by which gradients are multiplied between the sigmoid and the region.
    """

    def __init__(
        self, channels: int, region_scale: Sequence[float], gradient_scale: float, **kwargs: Any
    ):
        super().__init__(dtype=_PRECISION, **kwargs)
        self.channels = channels
        self.region_scale, self.gradient_scale = tuple(region_scale), gradient_scale
        self.linear = _dense(3, "linear")

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.linear.build((None, self.channels))
        self.built = True

    def call(self, fused: tf.Tensor) -> tf.Tensor:
        """Maps (n, d) to (n, 3) affine vectors (scale, x, y) of regions inside of the image."""
        return self.affine(rescale_gradient(tf.sigmoid(self.linear(fused)), self.gradient_scale))

    def affine(self, shares: tf.Tensor) -> tf.Tensor:
        """Maps (n, 3) in [0, 1], of scale and centre between their ends, to affine vectors."""
        least, most = self.region_scale
        scale = shares[:, :1] * (most - least) + least
        return tf.concat([scale, (2 * shares[:, 1:] - 1) * (1 - scale)], axis=1)


class LinearClassifier(keras.layers.Layer):
    """A classifier, of fused features or of single glimpses (3.4).

    Args:
      channels: of the features.
      classes: number of classes.
    """

    def __init__(self, channels: int, classes: int, **kwargs: Any):
        super().__init__(dtype=_PRECISION, **kwargs)
        self.channels = channels
        self.linear = _dense(classes, "linear")

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.linear.build((None, self.channels))
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Maps (.., channels) to logits (.., classes)."""
        return self.linear(features)


def rescale_gradient(values: tf.Tensor, scale: float) -> tf.Tensor:
    """The values themselves, whose gradient is multiplied by `scale` (eq. 5).

    Eq. 5 says that the gradient *is* s; read as re-scaling, it is that of what follows times s.
    """

    @tf.custom_gradient
    def identity(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.identity(values), lambda upstream: upstream * scale

    return identity(values)


def _dense(units: int, name: str) -> keras.layers.Dense:
    """A linear layer that starts as the published ones; biases start at 0."""
    # Keras's initialisers give the same numbers at every call, so each layer has its own.
    return keras.layers.Dense(
        units, kernel_initializer=kaiming_initializer(), name=name, dtype=_PRECISION
    )

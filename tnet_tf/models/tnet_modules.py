"""TNet's modules besides feature extraction, in both variants (paper 3.2, appendix 2.1)."""

from typing import Any

import keras
import tensorflow as tf

from tnet_tf.layers.convolution import SqueezeExcitation, short_silu
from tnet_tf.layers.dropout import Dropout
from tnet_tf.layers.initializers import convolution_initializer, dense_initializer
from tnet_tf.layers.positions import CoordinateChannels, positional_encoding
from tnet_tf.models.bagnet import leaky_convolution


class LocationModule(keras.layers.Layer):
    """Probabilities over the cells of the attention grid (appendix 2.1.4).

    Subclasses turn grid features into one logit per cell. Logits are normalised to L2 norm 1 over
    the grid before the softmax, which keeps probabilities away from 0.

    Args:
      grid_channels: channels c of the grid features.
      context_channels: channels C of the context vector.
    """

    def __init__(self, grid_channels: int, context_channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.grid_channels, self.context_channels = grid_channels, context_channels
        self.coordinates = CoordinateChannels(name="coordinates")
        # Starts as Keras does in both variants: by EfficientNet's rule, of fan out, one channel
        # would start large, and large weights turn slowly.
        self.output_layer = keras.layers.Conv2D(1, 1, name="output")

    def logits(self, grid_features: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Maps (m, n, n, c) grid features and (m, C) context to (m, n, n, 1) logits."""
        raise TypeError(f"{type(self).__name__} does not define its logits")

    def call(self, grid_features: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Maps grid features (m, n, n, c) and context (m, C) to probabilities (m, n * n)."""
        logits = tf.cast(self.logits(grid_features, context), tf.float32)
        cells = grid_features.shape[1] * grid_features.shape[2]
        return tf.nn.softmax(tf.nn.l2_normalize(tf.reshape(logits, (-1, cells)), axis=1))


class ContextLocationModule(LocationModule):
    """The location module of appendix table 2: the context vector joins every cell's features."""

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.fuse = leaky_convolution(self.context_channels, 1, name="fuse")
        self.coordinates.build(None)
        self.fuse.build((None, None, None, self.grid_channels + self.context_channels + 2))
        self.output_layer.build((None, None, None, self.context_channels))
        self.built = True

    def logits(self, grid_features: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """See `LocationModule`."""
        context = context[:, tf.newaxis, tf.newaxis]
        shape = tf.concat([tf.shape(grid_features)[:3], [self.context_channels]], axis=0)
        values = tf.concat([grid_features, tf.broadcast_to(context, shape)], axis=-1)
        return self.output_layer(self.fuse(self.coordinates(values)))


class SqueezeExcitationLocationModule(LocationModule):
    """The location module of appendix table 3: squeeze and excitation brings in the context."""

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        channels = self.grid_channels
        self.first, self.second = (
            keras.layers.Conv2D(
                channels,
                1,
                activation=short_silu,
                kernel_initializer=convolution_initializer(),
                name=name,
            )
            for name in ("first", "second")
        )
        self.squeeze = SqueezeExcitation(channels // 2, name="squeeze")
        self.coordinates.build(None)
        for layer, width in (
            (self.first, channels),
            (self.squeeze, channels),
            (self.second, channels + 2),
            (self.output_layer, channels),
        ):
            layer.build((None, None, None, width))
        self.built = True

    def logits(self, grid_features: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """See `LocationModule`; the context vector is not used."""
        del context
        values = self.squeeze(self.first(grid_features))
        return self.output_layer(self.second(self.coordinates(values)))


class ConcatPositionalModule(keras.layers.Layer):
    """The positional encoding module of appendix table 2: one linear layer fuses both vectors.

    Args:
      channels: of the feature vectors, C; the encoding is as long.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels
        self.linear = keras.layers.Dense(channels, name="linear")

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.linear.build((None, 2 * self.channels))
        self.built = True

    def call(self, features: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Maps features (m, C) and position triplets (m, 3) to vectors (m, C)."""
        encoding = tf.cast(positional_encoding(positions, self.channels), features.dtype)
        return self.linear(tf.concat([features, encoding], axis=1))


class AddPositionalModule(keras.layers.Layer):
    """The positional encoding module of appendix table 3: the projected encoding is added.

    Args:
      channels: of the feature vectors, C; the encoding has C / 4.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels
        self.linear = keras.layers.Dense(
            channels, kernel_initializer=dense_initializer(), name="linear"
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.linear.build((None, self.channels // 4))
        self.built = True

    def call(self, features: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Maps features (m, C) and position triplets (m, 3) to vectors (m, C)."""
        encoding = self.linear(positional_encoding(positions, self.channels // 4))
        return short_silu(features + tf.cast(encoding, features.dtype))


class Averaging(keras.layers.Layer):
    """Plain average of the feature vectors (paper 3.1), after every number of locations."""

    def build(self, input_shape: Any = None) -> None:
        """Has no weights."""
        self.built = True

    def call(self, vectors: tf.Tensor) -> tf.Tensor:
        """Weights of N vectors in the averages of the first 1, 2, .. N of them.

        Args:
          vectors: (n, N, C).

        Returns:
          (n, N, N) float32; row p weighs the first p + 1 vectors, sums to 1 and is 0 after them.
        """
        among = _among_first(tf.shape(vectors)[1])
        weights = among / tf.reduce_sum(among, axis=1, keepdims=True)
        return tf.broadcast_to(weights, tf.concat([tf.shape(vectors)[:1], tf.shape(weights)], 0))


class FeatureWeighting(keras.layers.Layer):
    """The feature weighting module (appendix table 4): learned weights for the average.

    The weights are computed from vectors gated by squeeze and excitation over all of them; they
    multiply the vectors without that gate.

    Args:
      channels: of the feature vectors, C.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels
        self.squeeze = SqueezeExcitation(channels // 4, name="squeeze")
        self.output_layer = keras.layers.Dense(
            1, kernel_initializer=dense_initializer(), name="output"
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.squeeze.build((None, None, self.channels))
        self.output_layer.build((None, None, self.channels))
        self.built = True

    def call(self, vectors: tf.Tensor) -> tf.Tensor:
        """Weights of N vectors in the averages of the first 1, 2, .. N of them.

        Args:
          vectors: (n, N, C).

        Returns:
          (n, N, N) float32; row p weighs the first p + 1 vectors, sums to 1 and is 0 after them.
        """
        count = tf.shape(vectors)[1]
        among = _among_first(count)
        sizes = tf.range(1, count + 1, dtype=vectors.dtype)[:, tf.newaxis]
        gates = self.squeeze.gate(tf.cumsum(vectors, axis=1) / sizes)
        # The output layer on gated vectors, for every pair of a prefix p and a vector j at once.
        kernel, bias = self.output_layer.kernel, self.output_layer.bias
        scaled = gates * tf.cast(kernel[:, 0], vectors.dtype)
        logits = tf.matmul(scaled, vectors, transpose_b=True) + tf.cast(bias, vectors.dtype)
        logits = tf.cast(logits, tf.float32)
        return tf.nn.softmax(tf.where(among > 0, logits, logits.dtype.min))


def _among_first(count: tf.Tensor) -> tf.Tensor:
    """(count, count) float32 with ones on and below the diagonal."""
    return tf.linalg.band_part(tf.ones((count, count)), -1, 0)


class ClassificationModule(keras.layers.Layer):
    """Linear classifier with dropout before it (paper 3.2); serves averages and single vectors.

    Args:
      channels: of the feature vectors, C.
      classes: number of classes.
      dropout: drop probability in training.
      initializer: of the weights.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        dropout: float = 0.0,
        initializer: keras.initializers.Initializer | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.dropout = Dropout(dropout, name="dropout")
        self.linear = keras.layers.Dense(
            classes,
            kernel_initializer=initializer or dense_initializer(),
            dtype="float32",
            name="linear",
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights."""
        self.linear.build((None, self.channels))
        self.built = True

    def call(self, vectors: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps vectors (.., C) to logits (.., classes), float32."""
        return self.linear(tf.cast(self.dropout(vectors, training=training), tf.float32))


LOCATION_MODULES: dict[str, type[LocationModule]] = {
    "context": ContextLocationModule,
    "squeeze_excitation": SqueezeExcitationLocationModule,
}
POSITIONAL_MODULES: dict[str, type[keras.layers.Layer]] = {
    "concat": ConcatPositionalModule,
    "add": AddPositionalModule,
}

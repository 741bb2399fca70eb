"""The feed-forward baselines: backbone and classifier on the whole image (appendix 2.1)."""

from typing import Any

import keras
import tensorflow as tf

from tnet_tf.config import rules_of
from tnet_tf.layers import checks
from tnet_tf.layers.grid import to_symmetric
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.tnet_modules import ClassificationModule
from tnet_tf.outputs import Outputs


@keras.saving.register_keras_serializable(package="tnet_tf")
class FeedForward(Classifier):
    """Looks at every pixel of the image once.

    Args:
      backbone: feature extraction module.
      classes: number of classes.
      dropout: drop probability before the classification layer.

    Example:
      >>> from tnet_tf.models.plain_cnn import PlainCNN
      >>> FeedForward(PlainCNN(), classes=10)(tf.zeros((2, 112, 112, 3))).logits.shape
      TensorShape([2, 10])
    """

    rules = rules_of("feedforward")

    def __init__(self, backbone: Backbone, classes: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(backbone, classes, dropout=dropout, **kwargs)
        self.classification = ClassificationModule(
            backbone.feature_channels,
            classes,
            dropout,
            backbone.classifier_initializer(),
            name="classification",
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights; they depend on no input size."""
        self.classification.build(None)
        self.built = True

    def call(self, images: tf.Tensor, locations: Any = None, training: bool = False) -> Outputs:
        """Classifies images.

        Args:
          images: (n, H, W, 3), float in [-1, 1] or uint8 in 0 .. 255.
          locations: taken for the sake of one call for all models; there are none to attend.
          training: turns on noise and batch statistics.

        Returns:
          `Outputs` with no locations: L = 0.
        """
        del locations
        images = checks.in_range(images)
        features, _ = self.feature_extraction(to_symmetric(images), training=training)
        features = tf.cast(features, tf.float32)
        logits = self.classification(features, training=training)
        count = tf.shape(images)[0]
        return Outputs(
            logits=logits,
            logits_by_count=logits[:, tf.newaxis],
            feature_logits=logits[:, tf.newaxis],
            logits_without_context=tf.zeros((count, 0, logits.shape[-1])),
            features=features,
            weights=tf.ones((count, 1)),
            log_probs=tf.zeros((count, 0)),
            boxes=tf.zeros((count, 0, 4)),
            levels=tf.zeros((count, 0), tf.int32),
            location_probs=(),
            cells=tf.zeros((count, 0), tf.int32),
        )

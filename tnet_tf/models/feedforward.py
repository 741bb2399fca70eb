"""The feed-forward baselines: backbone and classifier on the whole image (appendix 2.1)."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.config import rules_of
from tnet_tf.layers.grid import ImageSize, Regions, whole_images
from tnet_tf.layers.pixels import to_symmetric
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.tnet_modules import ClassificationModule
from tnet_tf.models.traversal import Plan, Read
from tnet_tf.outputs import Outputs


class FeedForwardState(NamedTuple):
    """What was seen of n images.

    Attributes:
      count: n.
      regions: the images whole.
      features: (n, C), once they were looked at.
      over: whether they were.
    """

    count: tf.Tensor
    regions: Regions
    features: tf.Tensor | None = None
    over: bool = False


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

    def checked_locations(self, locations: Any) -> tuple[()]:
        """None, whatever a call asks for: there are none to attend."""
        del locations
        return ()

    def reader(self, images: tf.Tensor) -> Read:
        """Reads images in memory as they are."""
        return lambda regions: to_symmetric(images)

    def start(self, count: tf.Tensor, size: ImageSize) -> FeedForwardState:
        """The images whole."""
        return FeedForwardState(count, whole_images(count, size))

    def look(
        self, views: tf.Tensor, state: FeedForwardState, training: bool = False
    ) -> FeedForwardState:
        """Extracts features."""
        features, _ = self.feature_extraction(views, training=training)
        return state._replace(features=tf.cast(features, tf.float32))

    def choose(self, state: FeedForwardState, plan: Plan) -> FeedForwardState:
        """Nothing more."""
        return state._replace(over=True)

    def decide(self, state: FeedForwardState, training: bool = False) -> Outputs:
        """Classifies; there are no locations: L = 0."""
        count, features = state.count, state.features
        logits = self.classification(features, training=training)
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

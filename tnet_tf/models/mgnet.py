"""MGNet, the multi-glimpse network (Tan et al., BMVC 2021, section 3)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.config import rules_of
from tnet_tf.errors import UserError
from tnet_tf.layers import checks, glimpses
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.gazes import Gaze
from tnet_tf.models.mgnet_modules import FeatureFusion, LinearClassifier, LocalizationNetwork
from tnet_tf.outputs import Outputs


class Seen(NamedTuple):
    """What t glimpses have shown, a list entry for each.

    Attributes:
      affine: (n, 3) vectors of the regions.
      features: (n, C) of the glimpses alone, h_t.
      vectors: (n, C + 3) with their position, h'_t.
      fused: (n, C + 3), F_t.
      weights: (n, t), what each vector so far weighs in F_t.
    """

    affine: list[tf.Tensor]
    features: list[tf.Tensor]
    vectors: list[tf.Tensor]
    fused: list[tf.Tensor]
    weights: list[tf.Tensor]


@keras.saving.register_keras_serializable(package="tnet_tf")
class MGNet(Classifier):
    """Glimpses of an image of any size, each region chosen by what those before have shown.

    The first glimpse is the whole image; T glimpses are it and T - 1 locations. With no locations
    and a base resolution of the image's own size it is the paper's FF-Net. The downsampling factor
    M is the image's side over the base resolution's.

    Args:
      backbone: makes a vector of a glimpse.
      classes: number of classes.
      base_resolution: height and width in pixels of a glimpse.
      locations: one number, T - 1; the default of a call.
      region_scale: least and greatest side of a region as fractions of the image's (3.3).
      gradient_scale: s of eq. 5.

    Example:
      >>> from tnet_tf.models.plain_cnn import PlainCNN
      >>> model = MGNet(PlainCNN(), classes=10, base_resolution=(32, 32), locations=(2,))
      >>> model(tf.zeros((2, 64, 96, 3))).logits_by_count.shape
      TensorShape([2, 3, 10])
    """

    attends = True
    rules = rules_of("mgnet")
    one_by_one = True
    base_resolution: tuple[int, int]

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        base_resolution: Sequence[int] = (96, 96),
        locations: Sequence[int] = (3,),
        region_scale: Sequence[float] = (0.2, 0.5),
        gradient_scale: float = 0.01,
        **kwargs: Any,
    ):
        super().__init__(
            backbone,
            classes,
            base_resolution=tuple(base_resolution),
            locations=tuple(locations),
            region_scale=tuple(region_scale),
            gradient_scale=gradient_scale,
            **kwargs,
        )
        height, width = base_resolution
        self.base_resolution = (height, width)
        self.locations = tuple(locations)
        channels = self.channels = backbone.feature_channels
        self.fusion = FeatureFusion(channels + 3, name="fusion")
        self.localization = LocalizationNetwork(
            channels + 3, region_scale, gradient_scale, name="localization"
        )
        self.classification = LinearClassifier(channels + 3, classes, name="classification")
        self.glimpse_classification = LinearClassifier(
            channels, classes, name="glimpse_classification"
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights; they depend on no input size."""
        for module in (
            self.fusion,
            self.localization,
            self.classification,
            self.glimpse_classification,
        ):
            module.build(None)
        self.built = True

    def call(
        self,
        images: tf.Tensor,
        locations: Sequence[int | tf.Tensor] | None = None,
        training: bool = False,
        gaze: Gaze | None = None,
    ) -> Outputs:
        """Looks at images, glimpse after glimpse.

        Args:
          images: (n, H, W, 3), float in [-1, 1] or uint8 in 0 .. 255; any size.
          locations: (T - 1,); () is one glimpse. A scalar tensor exits early, at most after the
            constructor's number. Default: the constructor's.
          training: turns on batch statistics.
          gaze: chooses the regions in place of the localization network.

        Returns:
          `Outputs`; the prediction after every number of locations is that of an early exit there
          (4.1.1), and `feature_logits` are the glimpse classifier's (3.4).
        """
        images = checks.in_range(images)
        locations = self.checked_locations(self.locations if locations is None else locations)
        count = locations[0] if locations else 0
        return self._look(images, Seen([], [], [], [], []), count, training, gaze)

    def checked_locations(
        self, locations: Sequence[int | tf.Tensor]
    ) -> tuple[int | tf.Tensor, ...]:
        """The `locations` of a call, refused where they are none."""
        if len(locations) > 1:
            raise UserError(f"locations={tuple(locations)}: MGNet takes one number")
        own = self.locations[0] if self.locations else 0
        return checks.counts(locations, own if any(map(tf.is_tensor, locations)) else None)

    def _look(
        self,
        images: tf.Tensor,
        seen: Seen,
        count: int | tf.Tensor,
        training: bool,
        gaze: Gaze | None,
    ) -> Outputs:
        """Takes the next glimpse, and those after it until there are `count` locations."""
        seen = self._next(images, seen, training, gaze)
        looked = len(seen.affine) - 1

        def go_on() -> Outputs:
            return self._look(images, seen, count, training, gaze)

        def stop() -> Outputs:
            return self._outputs(images, seen)

        if not tf.is_tensor(count):
            return stop() if looked == count else go_on()
        most = self.locations[0] if self.locations else 0
        return stop() if looked == most else tf.cond(count > looked, go_on, stop)

    def _next(self, images: tf.Tensor, seen: Seen, training: bool, gaze: Gaze | None) -> Seen:
        """One iteration of the recurrent downsampled attention (figure 2)."""
        if seen.fused:
            affine = (
                self.localization(seen.fused[-1])
                if gaze is None
                else self.localization.affine(gaze.shares(len(seen.affine)))
            )
            views = glimpses.sample_glimpses(images, affine, self.base_resolution)
        else:
            affine = glimpses.whole_image(tf.shape(images)[0])
            views = glimpses.sample_whole(images, self.base_resolution)
        level = 2 if seen.fused else 1
        features, _ = self.feature_extraction(views, level=level, training=training)
        features = tf.cast(features, tf.float32)
        vector = tf.concat([features, tf.stop_gradient(affine)], axis=1)
        vectors = [*seen.vectors, vector]
        fused, weights = self.fusion(vectors)
        return Seen(
            [*seen.affine, affine],
            [*seen.features, features],
            vectors,
            [*seen.fused, fused],
            [*seen.weights, weights],
        )

    def _outputs(self, images: tf.Tensor, seen: Seen) -> Outputs:
        """Classifies what was seen, after every glimpse and by each one alone."""
        count, looked = tf.shape(images)[0], len(seen.affine) - 1
        logits_by_count = self.classification(tf.stack(seen.fused, axis=1))
        return Outputs(
            logits=logits_by_count[:, -1],
            logits_by_count=logits_by_count,
            feature_logits=self.glimpse_classification(tf.stack(seen.features, axis=1)),
            logits_without_context=self._without_context(count, seen),
            features=seen.fused[-1],
            weights=seen.weights[-1],
            log_probs=tf.zeros((count, looked)),
            boxes=glimpses.boxes(tf.stack(seen.affine, axis=1)[:, 1:], images),
            levels=tf.fill((count, looked), 2),
            location_probs=(),
            cells=tf.zeros((count, 0), tf.int32),
        )

    def _without_context(self, images: tf.Tensor, seen: Seen) -> tf.Tensor:
        """Predictions from the locations alone, the first glimpse left out."""
        attended = seen.vectors[1:]
        if not attended:
            return tf.zeros((images, 0, self.arguments["classes"]))
        fused = [self.fusion(attended[:count])[0] for count in range(1, len(attended) + 1)]
        return self.classification(tf.stack(fused, axis=1))

"""MGNet, the multi-glimpse network (Tan et al., BMVC 2021, section 3)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.config import rules_of
from tnet_tf.errors import UserError
from tnet_tf.layers import checks, glimpses
from tnet_tf.layers.grid import ImageSize
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.mgnet_modules import FeatureFusion, LinearClassifier, LocalizationNetwork
from tnet_tf.models.traversal import Plan, Read
from tnet_tf.outputs import Outputs


class MGNetState(NamedTuple):
    """What t glimpses of n images have shown so far; the tuples have an entry for each glimpse.

    Attributes:
      count: n.
      size: height and width of the images.
      regions: of the next glimpse.
      over: whether the glimpses so far are all.
      affine: (n, 3) vectors of the regions.
      features: (n, C) of the glimpses alone, h_t.
      vectors: (n, C + 3) with their position, h'_t.
      fused: (n, C + 3), F_t.
      weights: (n, t), what each vector so far weighs in F_t.
    """

    count: tf.Tensor
    size: ImageSize
    regions: glimpses.Regions
    over: bool | tf.Tensor = False
    affine: tuple[tf.Tensor, ...] = ()
    features: tuple[tf.Tensor, ...] = ()
    vectors: tuple[tf.Tensor, ...] = ()
    fused: tuple[tf.Tensor, ...] = ()
    weights: tuple[tf.Tensor, ...] = ()


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

    def checked_locations(
        self, locations: Sequence[int | tf.Tensor]
    ) -> tuple[int | tf.Tensor, ...]:
        """The `locations` of a call, refused where they are none."""
        if len(locations) > 1:
            raise UserError(f"locations={tuple(locations)}: MGNet takes one number")
        own = self.locations[0] if self.locations else 0
        return checks.counts(locations, own if any(map(tf.is_tensor, locations)) else None)

    def reader(self, images: tf.Tensor) -> Read:
        """Samples regions of images in memory at the base resolution, with gradients."""
        return lambda regions: glimpses.sample(images, regions, self.base_resolution)

    def start(self, count: tf.Tensor, size: ImageSize) -> MGNetState:
        """The first glimpse: the images whole."""
        return MGNetState(count, size, glimpses.Regions(glimpses.whole_image(count), whole=True))

    def look(self, views: tf.Tensor, state: MGNetState, training: bool = False) -> MGNetState:
        """Fuses a glimpse with those before it (figure 2)."""
        affine = state.regions.affine
        level = 2 if state.fused else 1
        features, _ = self.feature_extraction(views, level=level, training=training)
        features = tf.cast(features, tf.float32)
        vector = tf.concat([features, tf.stop_gradient(affine)], axis=1)
        vectors = [*state.vectors, vector]
        fused, weights = self.fusion(vectors)
        return state._replace(
            affine=(*state.affine, affine),
            features=(*state.features, features),
            vectors=tuple(vectors),
            fused=(*state.fused, fused),
            weights=(*state.weights, weights),
        )

    def choose(self, state: MGNetState, plan: Plan) -> MGNetState:
        """The region of the next glimpse, by what those so far have shown (3.3)."""
        count = plan.locations[0] if plan.locations else 0
        own = self.locations[0] if self.locations else 0
        looked = len(state.vectors) - 1
        if looked == (own if tf.is_tensor(count) else count):
            return state._replace(over=True)
        affine = (
            self.localization(state.fused[-1])
            if plan.gaze is None
            else self.localization.affine(plan.gaze.shares(looked + 1))
        )
        over = count <= looked if tf.is_tensor(count) else False
        return state._replace(regions=glimpses.Regions(affine), over=over)

    def decide(self, state: MGNetState, training: bool = False) -> Outputs:
        """Classifies what was seen, after every glimpse and by each one alone (3.4).

        The prediction after every number of locations is that of an early exit there (4.1.1), and
        `feature_logits` are the glimpse classifier's.
        """
        count, looked = state.count, len(state.vectors) - 1
        logits_by_count = self.classification(tf.stack(state.fused, axis=1))
        return Outputs(
            logits=logits_by_count[:, -1],
            logits_by_count=logits_by_count,
            feature_logits=self.glimpse_classification(tf.stack(state.features, axis=1)),
            logits_without_context=self._without_context(state),
            features=state.fused[-1],
            weights=state.weights[-1],
            log_probs=tf.zeros((count, looked)),
            boxes=glimpses.boxes(tf.stack(state.affine, axis=1)[:, 1:], state.size),
            levels=tf.fill((count, looked), 2),
            location_probs=(),
            cells=tf.zeros((count, 0), tf.int32),
        )

    def _without_context(self, state: MGNetState) -> tf.Tensor:
        """Predictions from the locations alone, the first glimpse left out."""
        attended = list(state.vectors[1:])
        if not attended:
            return tf.zeros((state.count, 0, self.classes))
        fused = [self.fusion(attended[:count])[0] for count in range(1, len(attended) + 1)]
        return self.classification(tf.stack(fused, axis=1))

"""TNet, the traversal network (paper 3.1): from coarse to fine, only where it pays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.config import rules_of
from tnet_tf.config.networks import check_grid
from tnet_tf.layers import checks
from tnet_tf.layers import grid as grids
from tnet_tf.layers import sampling as samplers
from tnet_tf.layers.randomness import next_key
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.gazes import Gaze
from tnet_tf.models.tnet_modules import (
    LOCATION_MODULES,
    POSITIONAL_MODULES,
    Averaging,
    ClassificationModule,
    FeatureWeighting,
)
from tnet_tf.outputs import Outputs


class Attended(NamedTuple):
    """What a level chose to attend to, m grids with k locations each.

    Attributes:
      cells: (m, k) int32 raster indices.
      log_probs: (m, k).
      probabilities: (m, grid * grid).
    """

    cells: tf.Tensor
    log_probs: tf.Tensor
    probabilities: tf.Tensor


@keras.saving.register_keras_serializable(package="tnet_tf")
class TNet(Classifier):
    """Hard attention over the scale space of an image of any size.

    Args:
      backbone: feature extraction module.
      classes: number of classes.
      base_resolution: height and width in pixels at which every region is looked at.
      grid: candidate locations per side of the attention grid.
      cell: side of a grid cell as a fraction of the region's side.
      locations: locations attended per grid, one number for each level after the first; the
        default of a call.
      sampling: how training selects: 'top_k' or 'without_replacement'. Inference takes the top k.
      location_module: 'context' or 'squeeze_excitation'.
      positional_module: 'concat' or 'add'.
      feature_weighting: learned weights in the average of the feature vectors.
      dropout: drop probability before the classification layer.

    Raises:
      UserError: for a grid of less than 2 x 2 cells, cells larger than the region or of no size,
        and when the backbone's feature map is smaller than the grid.

    Example:
      >>> from tnet_tf.models.plain_cnn import PlainCNN
      >>> model = TNet(PlainCNN(), classes=10, base_resolution=(56, 56), grid=5, cell=0.35)
      >>> model(tf.zeros((2, 224, 336, 3)), locations=(3,)).logits_by_count.shape
      TensorShape([2, 4, 10])
    """

    attends = True
    rules = rules_of("tnet")
    base_resolution: tuple[int, int]
    grid: int

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        base_resolution: Sequence[int] = (224, 224),
        grid: int = 3,
        cell: float = 0.5,
        locations: Sequence[int] = (2,),
        sampling: str = "top_k",
        location_module: str = "squeeze_excitation",
        positional_module: str = "add",
        feature_weighting: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(
            backbone,
            classes,
            base_resolution=tuple(base_resolution),
            grid=grid,
            cell=cell,
            locations=tuple(locations),
            sampling=sampling,
            location_module=location_module,
            positional_module=positional_module,
            feature_weighting=feature_weighting,
            dropout=dropout,
            **kwargs,
        )
        check_grid(grid, cell)
        height, width = base_resolution
        self.base_resolution = (height, width)
        self.grid, self.cell, self.sampling = grid, cell, sampling
        self.locations = tuple(locations)
        self.grid_slices = backbone.grid_slices(self.base_resolution, grid, cell)
        channels = self.channels = backbone.feature_channels
        self.location = LOCATION_MODULES[location_module](
            backbone.grid_channels, channels, name="location"
        )
        self.positional_encoding = POSITIONAL_MODULES[positional_module](
            channels, name="positional_encoding"
        )
        self.weighting: keras.layers.Layer = (
            FeatureWeighting(channels, name="weighting") if feature_weighting else Averaging()
        )
        self.classification = ClassificationModule(
            channels, classes, dropout, backbone.classifier_initializer(), name="classification"
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights; they depend on no input size."""
        for module in (
            self.positional_encoding,
            self.location,
            self.weighting,
            self.classification,
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
        """Traverses images from the thumbnail to the attended regions.

        Args:
          images: (n, H, W, 3), float in [-1, 1] or uint8 in 0 .. 255; any size.
          locations: locations per grid of each level after the first, numbers or scalar tensors;
            () looks at the thumbnail alone. Default: the constructor's.
          training: selects by `sampling` and turns on noise and batch statistics.
          gaze: selects in place of the location module, which is asked all the same.

        Returns:
          `Outputs`, the prediction after every number of locations included.

        Raises:
          UserError: for images too small to have pixels in a cell, and more locations than cells.
        """
        images = checks.in_range(images)
        locations = self.checked_locations(self.locations if locations is None else locations)
        regions = grids.whole_images(images)
        vectors, looked_at, attended = [], [], []
        for level in range(1, len(locations) + 2):
            views = grids.crop_and_resize(images, regions, self.base_resolution)
            features, spatial = self.feature_extraction(views, level=level, training=training)
            vectors.append(self.positional_encoding(features, regions.positions))
            if level <= len(locations):
                count = locations[level - 1]
                scores = None
                if gaze is not None:
                    candidates = grids.candidate_regions(regions, self.grid, self.cell)
                    scores = gaze.scores(candidates, images, level + 1)
                choice = self._attend(spatial, features, count, training, scores)
                regions = grids.attended_regions(regions, choice.cells, self.grid, self.cell)
                attended.append(choice)
                looked_at.append(grids.boxes(regions, images))
                if not tf.is_tensor(count) and count == 0:
                    break  # Not every kernel runs on a batch of nothing.
        return self._outputs(tf.shape(images)[0], vectors, looked_at, attended, training)

    def checked_locations(
        self, locations: Sequence[int | tf.Tensor]
    ) -> tuple[int | tf.Tensor, ...]:
        """The `locations` of a call, refused where a grid has not as many cells."""
        return checks.counts(locations, self.grid**2)

    def _attend(
        self,
        spatial: tf.Tensor,
        features: tf.Tensor,
        count: int | tf.Tensor,
        training: bool,
        scores: tf.Tensor | None,
    ) -> Attended:
        """Chooses `count` cells of every region's grid, those of the highest scores if given."""
        # The location loss never reaches the feature extractor.
        grid_features = tf.stop_gradient(spatial[:, self.grid_slices[0], self.grid_slices[1]])
        probabilities = self.location(grid_features, tf.stop_gradient(features))
        if scores is not None:
            scores = tf.reshape(scores, tf.shape(probabilities))
            cells, log_probs = samplers.highest(scores, probabilities, count)
        elif training and self.sampling == "without_replacement":
            cells, log_probs = samplers.without_replacement(probabilities, count, next_key())
        else:
            cells, log_probs = samplers.top_k(probabilities, count)
        return Attended(cells, log_probs, probabilities)

    def _outputs(
        self,
        images: tf.Tensor,
        vectors: list[tf.Tensor],
        looked_at: list[tf.Tensor],
        attended: list[Attended],
        training: bool,
    ) -> Outputs:
        """Gathers what the levels found by image, averages and classifies."""

        def by_image(parts: list[tf.Tensor], *shape: int) -> tf.Tensor:
            rows = [tf.reshape(part, (images, -1, *shape)) for part in parts]
            return tf.concat([tf.zeros((images, 0, *shape), parts[0].dtype), *rows], axis=1)

        by_vector = tf.cast(by_image(vectors, self.channels), tf.float32)
        weights = self.weighting(by_vector)
        averages = tf.matmul(weights, by_vector)
        logits_by_count = self.classification(averages, training=training)
        without_context = tf.matmul(self.weighting(by_vector[:, 1:]), by_vector[:, 1:])
        nothing = tf.zeros((images, 0), tf.int32)
        log_probs = [choice.log_probs for choice in attended] or [tf.zeros((images, 0))]
        cells = [choice.cells for choice in attended]
        levels = [tf.fill(tf.shape(chosen), level) for level, chosen in enumerate(cells, start=2)]
        probabilities = [choice.probabilities for choice in attended]
        return Outputs(
            logits=logits_by_count[:, -1],
            logits_by_count=logits_by_count,
            feature_logits=self.classification(by_vector, training=training),
            logits_without_context=self.classification(without_context, training=training),
            features=averages[:, -1],
            weights=weights[:, -1],
            log_probs=by_image(log_probs),
            boxes=by_image(looked_at or [tf.zeros((images, 0, 4))], 4),
            levels=by_image(levels or [nothing]),
            location_probs=tuple(by_image([part], part.shape[-1]) for part in probabilities),
            cells=by_image(cells or [nothing]),
        )

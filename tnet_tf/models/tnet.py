"""TNet, the traversal network (paper 3.1): from coarse to fine, only where it pays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tnet_tf.config import rules_of
from tnet_tf.config.networks import check_grid
from tnet_tf.layers import checks, pixels
from tnet_tf.layers import grid as grids
from tnet_tf.layers import sampling as samplers
from tnet_tf.layers.randomness import next_key
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.tnet_modules import (
    LOCATION_MODULES,
    POSITIONAL_MODULES,
    Averaging,
    ClassificationModule,
    FeatureWeighting,
)
from tnet_tf.models.traversal import Plan, Read
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


class TNetState(NamedTuple):
    """What a pass over n images has seen so far.

    Attributes:
      count: n.
      size: height and width of the images.
      chosen: all regions of the level.
      regions: those of them to be looked at next.
      ahead: those after them, if the level is looked at in parts.
      over: whether there are no more to look at.
      looked: the feature vectors (m, C) and maps (m, h', w', c) of the level's parts so far.
      vectors: (m, C) of all parts of all levels, with their positions.
      attended: what each level chose.
      boxes: (m, 4) of each level after the first.
    """

    count: tf.Tensor
    size: grids.ImageSize
    chosen: grids.Regions
    regions: grids.Regions
    ahead: tuple[grids.Regions, ...] = ()
    over: bool = False
    looked: tuple[tuple[tf.Tensor, tf.Tensor], ...] = ()
    vectors: tuple[tf.Tensor, ...] = ()
    attended: tuple[Attended, ...] = ()
    boxes: tuple[tf.Tensor, ...] = ()

    @property
    def level(self) -> int:
        """Of the regions: 1 for the images whole, 2, .. for what was chosen since."""
        return 1 + len(self.attended)


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

    def checked_locations(
        self, locations: Sequence[int | tf.Tensor]
    ) -> tuple[int | tf.Tensor, ...]:
        """The `locations` of a call, refused where a grid has not as many cells."""
        return checks.counts(locations, self.grid**2)

    def reader(self, images: tf.Tensor) -> Read:
        """Reads regions of images in memory at the base resolution."""
        return lambda regions: pixels.crop_and_resize(images, regions, self.base_resolution)

    def start(self, count: tf.Tensor, size: grids.ImageSize) -> TNetState:
        """Level 1: the images whole."""
        regions = grids.whole_images(count, size)
        return TNetState(count, size, regions, regions)

    def look(self, views: tf.Tensor, state: TNetState, training: bool = False) -> TNetState:
        """Extracts features of the regions and encodes where they lie (3.2)."""
        seen = self.feature_extraction(views, level=state.level, training=training)
        vectors = self.positional_encoding(seen[0], state.regions.positions)
        return state._replace(
            looked=(*state.looked, tuple(seen)), vectors=(*state.vectors, vectors)
        )

    def choose(self, state: TNetState, plan: Plan) -> TNetState:
        """The rest of this level, or the cells that the next one looks at."""
        if state.ahead:
            return state._replace(regions=state.ahead[0], ahead=state.ahead[1:])
        if state.level > len(plan.locations):
            return state._replace(over=True)
        count = plan.locations[state.level - 1]
        choice = self._attend(state, count, plan)
        chosen = grids.attended_regions(state.chosen, choice.cells, self.grid, self.cell)
        # Not every kernel runs on a batch of nothing.
        over = not tf.is_tensor(count) and count == 0
        parts = [chosen]
        if plan.one_by_one and not over:
            per_image = int(tf.size(chosen.image) // state.count)
            parts = [grids.every(chosen, per_image, first) for first in range(per_image)]
        return state._replace(
            chosen=chosen,
            regions=parts[0],
            ahead=tuple(parts[1:]),
            over=over,
            looked=(),
            attended=(*state.attended, choice),
            boxes=(*state.boxes, grids.boxes(chosen, state.size)),
        )

    def _attend(self, state: TNetState, count: int | tf.Tensor, plan: Plan) -> Attended:
        """Chooses `count` cells of every region's grid, those that a gaze prefers if given."""
        features, spatial = map(_joined, zip(*state.looked, strict=True))
        # The location loss never reaches the feature extractor.
        grid_features = tf.stop_gradient(spatial[:, self.grid_slices[0], self.grid_slices[1]])
        probabilities = self.location(grid_features, tf.stop_gradient(features))
        if plan.gaze is not None:
            candidates = grids.candidate_regions(state.chosen, self.grid, self.cell)
            scores = plan.gaze.scores(candidates, state.size, state.level + 1)
            scores = tf.reshape(scores, tf.shape(probabilities))
            cells, log_probs = samplers.highest(scores, probabilities, count)
        elif plan.training and self.sampling == "without_replacement":
            cells, log_probs = samplers.without_replacement(probabilities, count, next_key())
        else:
            cells, log_probs = samplers.top_k(probabilities, count)
        return Attended(cells, log_probs, probabilities)

    def decide(self, state: TNetState, training: bool = False) -> Outputs:
        """Averages what was seen, after every number of locations, and classifies (3.3, eq. 1)."""
        count = state.count

        def by_image(parts: Sequence[tf.Tensor], *shape: int) -> tf.Tensor:
            rows = [tf.reshape(part, (count, -1, *shape)) for part in parts]
            return tf.concat([tf.zeros((count, 0, *shape), parts[0].dtype), *rows], axis=1)

        by_vector = tf.cast(by_image(state.vectors, self.channels), tf.float32)
        weights = self.weighting(by_vector)
        averages = tf.matmul(weights, by_vector)
        logits_by_count = self.classification(averages, training=training)
        without_context = tf.matmul(self.weighting(by_vector[:, 1:]), by_vector[:, 1:])
        nothing = tf.zeros((count, 0), tf.int32)
        log_probs = [choice.log_probs for choice in state.attended] or [tf.zeros((count, 0))]
        cells = [choice.cells for choice in state.attended]
        levels = [tf.fill(tf.shape(chosen), level) for level, chosen in enumerate(cells, start=2)]
        probabilities = [choice.probabilities for choice in state.attended]
        # Of a level that was looked at in part, the rest does not count.
        looked = tf.shape(by_vector)[1] - 1 if state.ahead else None
        return Outputs(
            logits=logits_by_count[:, -1],
            logits_by_count=logits_by_count,
            feature_logits=self.classification(by_vector, training=training),
            logits_without_context=self.classification(without_context, training=training),
            features=averages[:, -1],
            weights=weights[:, -1],
            log_probs=by_image(log_probs)[:, :looked],
            boxes=by_image(state.boxes or [tf.zeros((count, 0, 4))], 4)[:, :looked],
            levels=by_image(levels or [nothing])[:, :looked],
            location_probs=tuple(by_image([part], part.shape[-1]) for part in probabilities),
            cells=by_image(cells or [nothing])[:, :looked],
        )


def _joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """What was seen of a level's regions, in their order; part p has every image's p-th region."""
    if len(parts) == 1:
        return parts[0]
    return tf.reshape(tf.stack(parts, axis=1), (-1, *parts[0].shape[1:]))

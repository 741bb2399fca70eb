"""What every classifier of this package returns."""

from typing import NamedTuple

import tensorflow as tf


class Outputs(NamedTuple):
    """One pass over a batch of n images that attended to L locations each.

    The first dimension of every field is n, so that batches can be put together and taken apart.

    Locations are in the order in which they are attended: level by level, within a level grid by
    grid (in the order of the regions they lie over), and within a grid by falling probability or,
    where training samples without replacement, as drawn. The first c locations of level 2 are what
    a pass with c locations there sees; a later level cut short has seen its first grids only.
    Models that attend to nothing have L = 0 and empty `log_probs`, `boxes` and `levels`.

    Attributes:
      logits: (n, classes), the prediction after all L locations.
      logits_by_count: (n, L + 1, classes), the prediction after 0, 1, .. L locations.
      feature_logits: (n, L + 1, classes), the prediction from every feature vector alone, level 1's
        first (paper 4.2).
      logits_without_context: (n, L, classes), the prediction from the first 1, .. L attended
        locations alone, level 1's vector left out (paper 5.4).
      features: (n, C), the (weighted) average of the feature vectors.
      weights: (n, L + 1), what each vector weighs in that average; rows sum to 1 (paper 5.3).
      log_probs: (n, L), the log-probability with which each location was selected.
      boxes: (n, L, 4), attended regions as (y_min, x_min, y_max, x_max), fractions of the image
        side in [0, 1].
      levels: (n, L) int32, the processing level (2, 3, ..) at which each location is looked at;
        the same for all images.
      location_probs: one (n, grids, cells) tensor per level that chose, the location module's
        softmax over the cells of each grid in raster order.
      cells: (n, L) int32, the raster index of each attended cell within its grid.
    """

    logits: tf.Tensor
    logits_by_count: tf.Tensor
    feature_logits: tf.Tensor
    logits_without_context: tf.Tensor
    features: tf.Tensor
    weights: tf.Tensor
    log_probs: tf.Tensor
    boxes: tf.Tensor
    levels: tf.Tensor
    location_probs: tuple[tf.Tensor, ...]
    cells: tf.Tensor

"""The TensorFlow checkpoints published with the TNet paper."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.bagnet import BagNet77
from tnet_tf.models.bagnet import block_groups as bagnet_groups
from tnet_tf.models.efficientnet import EfficientNet
from tnet_tf.models.efficientnet import block_groups as efficientnet_groups
from tnet_tf.models.weights.names import (
    Arrays,
    Translation,
    backbone_of,
    changed,
    with_block_named,
)


class Published(NamedTuple):
    """How the checkpoints name what differs between backbones.

    Attributes:
      changes: replacements in our names, made after `_CHANGES`.
      groups: gives, for a backbone, group and number within it of every block, from 1.
    """

    changes: tuple[tuple[str, str], ...]
    groups: Callable[[Backbone], list[tuple[int, int]]]


# Our names become the published ones by these replacements, in this order (BatchNorm kept per level
# starts every level from the one published set).
_CHANGES = (
    (r"_\d+$", ""),
    (r"^classification/", "feature_extraction/logits_layer/"),
    (r"^positional_encoding/", "feature_posBurn/"),
    (r"^weighting/squeeze/reduce/", "feat_weighting/se/dense_1/"),
    (r"^weighting/squeeze/expand/", "feat_weighting/se/dense_2/"),
    (r"^weighting/output/", "feat_weighting/output_linear/"),
    (r"/coordinates/vertical/", "/height_scaling/"),
    (r"/coordinates/horizontal/", "/width_scaling/"),
    (r"^location/output/", "location/output_linear/"),
    (r"^location/fuse/", "location/conv2d/"),
    (r"^location/first/", "location/init/conv2d/"),
    (r"^location/second/", "location/final/conv2d/"),
    (r"/squeeze/reduce/", "/se/conv2d_1/"),
    (r"/squeeze/expand/", "/se/conv2d_2/"),
    (r"/depthwise/convolution/kernel", "/depthwise/conv2d/depthwise_kernel"),
    (r"/project/", "/bottleneck/"),
    (r"/convolution/", "/conv2d/"),
    (r"/normalization/", "/batch_norm/"),
)
# Backbones with published weights; new ones are rows.
PUBLISHED: dict[type[Backbone], Published] = {
    BagNet77: Published(
        (
            (r"^location/", "location_prediction_earlyLocs/"),
            (r"/stem/", "/part1/conv2d/"),
            (r"^feature_extraction/top/", "feature_extraction/part6/conv2d/"),
            (r"/reduce/", "/comp_1/conv2d/"),
            (r"/convolve/", "/comp_2/conv2d/"),
            (r"/expand/", "/comp_3/conv2d/"),
            (r"/shortcut/", "/shortcut_comp/conv2d/"),
        ),
        lambda backbone: bagnet_groups(),
    ),
    EfficientNet: Published(
        ((r"^location/", "location_prediction/"),),
        lambda backbone: efficientnet_groups(backbone.variant),
    ),
}


def translation(model: keras.Model) -> Translation:
    """How the checkpoints name weights of a network of ours.

    Raises:
      UserError: when none were published for its backbone.
    """
    backbone = backbone_of(model)
    row = PUBLISHED.get(type(backbone))
    if row is None:
        raise UserError(
            f"there are no published weights of a {type(backbone).__name__} (--backbone)"
        )
    blocks = [f"part{group + 1}_block{member}" for group, member in row.groups(backbone)]
    return lambda name: changed(with_block_named(name, blocks), (*_CHANGES, *row.changes))


def read(prefix: str) -> Arrays:
    """The arrays of a TensorFlow checkpoint by their names.

    Args:
      prefix: of the checkpoint's files.
    """
    reader = tf.train.load_checkpoint(prefix)
    arrays = {}
    for key in reader.get_variable_to_shape_map():
        name = key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        if not name.startswith("_CHECKPOINTABLE"):
            arrays[name] = reader.get_tensor(key)
    return arrays

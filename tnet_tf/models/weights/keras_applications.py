"""EfficientNets of `keras.applications`: whole models and files of weights alone."""

import re
from pathlib import Path

import h5py
import keras
import numpy as np

from tnet_tf.errors import UserError
from tnet_tf.models.backbone import IMAGENET_MEAN
from tnet_tf.models.efficientnet import EfficientNet, block_groups
from tnet_tf.models.weights.names import (
    Arrays,
    Translation,
    backbone_of,
    changed,
    with_block_named,
)

# Our names become theirs by these replacements, in this order.
_CHANGES = (
    (r"_\d+$", ""),
    (r"^classification/linear/", "predictions/"),
    (r"^feature_extraction/", ""),
    (r"^(stem|top)/convolution/", r"\1_conv/"),
    (r"^(stem|top)/normalization/", r"\1_bn/"),
    (r"/(expand|project)/convolution/", r"_\1_conv/"),
    (r"/(expand|project)/normalization/", r"_\1_bn/"),
    (r"/depthwise/convolution/", "_dwconv/"),
    (r"/depthwise/normalization/", "_bn/"),
    (r"/squeeze/(reduce|expand)/", r"_se_\1/"),
)


def network_of(model: keras.Model, file: h5py.File) -> keras.Model:
    """An empty keras.applications network with the classifier, if any, that a weight file has.

    Args:
      model: ours, which tells the variant.
      file: of their weights.

    Raises:
      UserError: when our network has another backbone.
    """
    matrices: list[tuple[int, ...]] = []
    file.visititems(
        lambda _, item: (
            matrices.append(item.shape)
            if isinstance(item, h5py.Dataset) and len(item.shape) == 2
            else None
        )
    )
    make = vars(keras.applications)[f"EfficientNet{_efficientnet(model).variant.upper()}"]
    if not matrices:
        return make(weights=None, include_top=False, input_shape=(224, 224, 3))
    return make(weights=None, classes=matrices[0][1])


def read(model: keras.Model, theirs: keras.Model, path: Path) -> Arrays:
    """The arrays of a keras.applications network by its names.

    Args:
      model: ours, which is to start from them.
      theirs: the network.
      path: the file that it was read from, for errors.

    Raises:
      UserError: when it was trained on pixels of other statistics than our network is fed, or is
        no EfficientNet as ours.
    """
    arrays = {variable.path: np.asarray(variable) for variable in theirs.weights}
    _check_statistics(model, arrays, path)
    return {name: value for name, value in arrays.items() if not name.startswith("normalization")}


def translation(model: keras.Model) -> Translation:
    """How keras.applications names weights of a network of ours.

    Raises:
      UserError: when our network has another backbone.
    """
    groups = block_groups(_efficientnet(model).variant)
    blocks = [f"block{group}{chr(ord('a') + member - 1)}" for group, member in groups]
    return lambda name: changed(with_block_named(name, blocks), _CHANGES)


def _check_statistics(model: keras.Model, arrays: Arrays, path: Path) -> None:
    """The pixels that the file's network was trained on must be the ones the model is fed."""
    means = [v for name, v in arrays.items() if re.match(r"normalization\w*/mean$", name)]
    imagenet = any(np.allclose(mean.ravel(), IMAGENET_MEAN, atol=1e-3) for mean in means)
    # A network trained from scratch only divides pixels by 255.
    trained_with = "imagenet" if imagenet else "unit"
    fed = _efficientnet(model).statistics.statistics
    if fed != trained_with:
        raise UserError(
            f"--pretrained={path} was trained with --input_statistics={trained_with}, the model is "
            f"fed {fed}; give --input_statistics={trained_with}"
        )


def _efficientnet(model: keras.Model) -> EfficientNet:
    backbone = backbone_of(model)
    if not isinstance(backbone, EfficientNet):
        raise UserError(
            f"keras.applications weights fit an EfficientNet, not a {type(backbone).__name__} "
            "(--backbone)"
        )
    return backbone

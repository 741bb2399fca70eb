"""Weights of PyTorch networks: the published MGNet's, and ResNets as torchvision names them."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tnet_tf.errors import UserError
from tnet_tf.models.resnet import ResNet, block_places
from tnet_tf.models.weights.names import (
    Arrays,
    Translation,
    backbone_of,
    changed,
    with_block_named,
)

SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".ckpt")
# Written by PyTorch alone; the others hold plain arrays.
_PICKLED = (".pt", ".pth", ".ckpt")
# What frameworks put around a state_dict, and before its names.
_AROUND = ("state_dict", "model_state_dict", "model")
_BEFORE = ("module.", "model.", "net.")

# Our names become theirs by these replacements, in this order.
_CHANGES = (
    (r"_\d+$", ""),
    (r"^feature_extraction/stem/convolution/", "backbone/conv1/"),
    (r"^feature_extraction/stem/normalization/", "backbone/bn1/"),
    (r"^feature_extraction/", "backbone/"),
    (r"/convolution(\d)/convolution/", r"/conv\1/"),
    (r"/convolution(\d)/normalization/", r"/bn\1/"),
    (r"/shortcut/convolution/", "/downsample/0/"),
    (r"/shortcut/normalization/", "/downsample/1/"),
    (r"^fusion/output/", "feat_fusion/mha/out_proj/"),
    (r"^fusion/normalization/", "feat_fusion/norm/"),
    (r"^fusion/", "feat_fusion/mha/"),
    (r"^localization/linear/", "loc_network/fc/"),
    (r"^glimpse_classification/linear/", "glimpse_fc/fc/"),
    (r"^classification/linear/", "global_fc/fc/"),
    (r"/(kernel|gamma)$", "/weight"),
    (r"/beta$", "/bias"),
    (r"/moving_mean$", "/running_mean"),
    (r"/moving_variance$", "/running_var"),
    (r"/", "."),
)


def translation(model: keras.Model) -> Translation:
    """How PyTorch's networks name weights of a network of ours.

    Raises:
      UserError: when its backbone is not of the ResNet family.
    """
    backbone = backbone_of(model)
    if not isinstance(backbone, ResNet):
        raise UserError(
            f"PyTorch's weights fit a network of the ResNet family, not a "
            f"{type(backbone).__name__} (--backbone)"
        )
    blocks = [f"layer{stage}/{member}" for stage, member in block_places(backbone.variant)]
    return lambda name: changed(with_block_named(name, blocks), _CHANGES)


def read(path: Path) -> Arrays:
    """The arrays of a state_dict in TensorFlow's layout, by their published names.

    Query, key and value, which PyTorch keeps in one matrix, come one by one. Names of a ResNet as
    in torchvision become those of MGNet's backbone; its classifier those of the global one.

    Args:
      path: .safetensors or .npz; .pt, .pth or .ckpt where PyTorch is installed.

    Raises:
      UserError: when PyTorch is needed and missing.
      ValueError: when the file is broken or of another format.
    """
    arrays: Arrays = {}
    for name, value in _load(path).items():
        for prefix in _BEFORE:
            name = name.removeprefix(prefix)
        if re.match(r"(conv1|bn1|layer\d)\.", name):
            name = f"backbone.{name}"
        name = re.sub(r"^fc\.", "global_fc.fc.", name)
        if name.endswith("num_batches_tracked"):
            continue
        if ".in_proj_" in name:
            for part, rows in zip(("query", "key", "value"), np.split(value, 3), strict=True):
                arrays[name.replace("in_proj_", f"{part}.")] = _layout(rows)
        else:
            arrays[name] = _layout(value)
    return arrays


def _layout(value: np.ndarray) -> np.ndarray:
    """Kernels OIHW to HWIO, matrices (out, in) to (in, out)."""
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T


def _load(path: Path) -> dict[str, Any]:
    """The arrays of a file by the names that it has for them."""
    if path.suffix in _PICKLED and importlib.util.find_spec("torch") is None:
        raise UserError(
            f"--pretrained={path}: only PyTorch reads {path.suffix} files, and it is not "
            "installed; install it, or convert the file where it is: safetensors.torch.save_file("
            "torch.load(PATH, weights_only=True)['state_dict'], 'weights.safetensors')"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file) as arrays:
                return dict(arrays)
        return _load_pickled(path)
    except (OSError, ImportError):
        raise
    except Exception as error:  # Each library has errors of its own.
        raise ValueError(f"it is broken, or no {path.suffix} file: {error}") from error


def _load_pickled(path: Path) -> dict[str, Any]:
    import torch

    values = torch.load(path, map_location="cpu", weights_only=True)
    for key in _AROUND:
        values = values.get(key, values)
    return {name: value.numpy() for name, value in values.items()}

"""The golden files: published networks under formula-made weights (see tests/golden/README.md)."""

import functools
import json
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parents[1] / "golden"


def images(seed: int, count: int, size: int) -> np.ndarray:
    """The images that the golden outputs belong to, float32 in [-1, 1]."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (count, size // 7, size // 7, 3))
    return coarse.astype(np.float32).repeat(7, axis=1).repeat(7, axis=2)


def weight(name: str, shape: list[int]) -> np.ndarray:
    """The weight that the golden networks carry under a published name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape).astype(np.float32)
    leaf = name.rsplit("/", 1)[-1]
    if leaf in ("kernel", "depthwise_kernel"):
        fan_in = np.prod(shape[:2]) if leaf == "depthwise_kernel" else np.prod(shape[:-1])
        return (values * np.sqrt(1.0 / fan_in)).astype(np.float32)
    if leaf == "gamma":
        return 1 + 0.1 * values
    if leaf == "moving_variance":
        return 1 + 0.1 * np.abs(values)
    return 0.1 * values


def pytorch_weight(name: str, shape: list[int]) -> np.ndarray:
    """The weight that the golden MGNets carry under a published name, in PyTorch's layout."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape).astype(np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(values)
    if leaf == "weight" and len(shape) == 1:
        return 1 + 0.1 * values
    if len(shape) >= 2:
        return (values * np.sqrt(1.0 / np.prod(shape[1:]))).astype(np.float32)
    return 0.1 * values


def read(name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Description and outputs of a golden network."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return json.loads((FOLDER / f"{name}.json").read_text()), dict(file)


def write_checkpoint(variables: list, prefix: str) -> str:
    """A TensorFlow checkpoint with the published names and the formula's weights."""
    names = [name for name, *_ in variables]
    values = [weight(name, shape) for name, shape, *_ in variables]
    slices = [""] * len(names)
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, tensors=values)
    return prefix


@functools.lru_cache(maxsize=1)
def published_mgnet(backbone: str = "resnet18") -> dict[str, np.ndarray]:
    """The weights of a golden MGNet of 100 classes by PyTorch's names."""
    description, _ = read(f"mgnet_{backbone}_imagenet100_224")
    return {n: pytorch_weight(n, shape) for n, shape in description["variables"]}

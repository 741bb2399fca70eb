"""A network to export, and images for it."""

import keras
import numpy as np

from tests.networks import TINY, build


def trained(**changes) -> keras.Model:
    """A small network with 3 levels whose weights are none of the initial ones."""
    model = build(TINY, normalization="per_level", locations=(2, 1), **changes)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.split("/")[-1].startswith(("beta", "moving_mean", "bias")):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return model


def pixels(count: int, height: int = 64, width: int = 80) -> np.ndarray:
    """Random uint8 images."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)

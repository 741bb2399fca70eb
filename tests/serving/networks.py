"""A network to export, and images for it."""

import dataclasses

import keras
import numpy as np

from tests.networks import TINY, TINY_MGNET, build

NETWORKS = ("tnet", "mgnet")


def trained(network: str = "tnet") -> keras.Model:
    """A small network, TNet with 3 levels or MGNet, whose weights are none of the initial ones."""
    config = {"tnet": dataclasses.replace(TINY, locations=(2, 1)), "mgnet": TINY_MGNET}[network]
    model = build(config, normalization="per_level")
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.split("/")[-1].startswith(("beta", "moving_mean", "bias")):
            weight.assign(random.normal(0, 0.1, weight.shape))
        if weight.path.endswith("localization/linear/kernel"):
            # Other images lead to other regions.
            weight.assign(random.normal(0, 0.2, weight.shape))
    return model


def pixels(count: int, height: int = 64, width: int = 80) -> np.ndarray:
    """Random uint8 images."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)

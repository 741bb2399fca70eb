"""A small MGNet that looks at other regions for other images."""

import keras
import numpy as np

from tests.networks import TINY_MGNET, build


def network(config=TINY_MGNET, classes=4, **changes):
    """A network that looks at other regions for other images, the same at every call."""
    keras.utils.set_random_seed(0)
    model = build(config, classes, **changes)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("beta", "moving_mean", "bias")):
            weight.assign(random.normal(0, 0.1, weight.shape))
    kernel = model.localization.linear.kernel
    kernel.assign(random.normal(0, 3 / kernel.shape[0] ** 0.5, kernel.shape))
    return model

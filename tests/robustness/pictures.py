"""Pictures to corrupt, as (n, height, width, 3) uint8."""

import numpy as np
import scipy.ndimage

from tnet_tf.robustness.corruptions import SEVERITIES


def photos(count=2, height=64, width=64):
    """Coloured clouds with fine structure, different ones."""
    noise = np.random.default_rng(0).normal(size=(count, height, width, 3))
    clouds = sum(
        scale * scipy.ndimage.gaussian_filter(noise, (0, scale, scale, 0.3)) for scale in (1, 4, 8)
    )
    return np.clip(120 + 60 * clouds, 0, 255).astype(np.uint8)


def grey(value=128, height=64, width=64):
    return np.full((1, height, width, 3), value, np.uint8)


def by_severity(*values):
    return list(zip(SEVERITIES, values, strict=True))


def floats(images):
    return images.astype(np.float64)

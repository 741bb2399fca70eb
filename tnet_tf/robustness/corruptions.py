"""The common corruptions of Hendrycks and Dietterich (2019); MGNet 4.1.2 and table 2.

The arithmetic is that of the library `imagecorruptions` (Apache License 2.0). It is not all that
made the published pictures of ImageNet-C: there, motion blur, also of snow, is ImageMagick's,
elastic transform has an affine part and at severities 1 and 2 larger waves, frost is a tenth
smaller, and results are saved as JPEG. The strengths are made for images of 224 pixels, as in
ImageNet-C; smaller ones lose more, and Tiny-ImageNet-C, for 64 pixels, has weaker ones.

The library draws from NumPy's global generator, and its last release is older than the NumPy,
SciPy, scikit-image and setuptools of today. What that takes is here: `_Numpy`, `_mended`,
`_random_noise` and `_glass_blur`.
"""

import contextlib
import functools
import importlib
import importlib.resources
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from tnet_tf.config.robustness import CORRUPTIONS, SEVERITIES
from tnet_tf.errors import UserError

# Pixels of a side: the library's own limit. Motion blur reaches 40 pixels and leaves out what lies
# further than the image is wide, so images between 32 and 40 pixels get up to 3% darker by it.
MIN_SIDE = 32

# By severity: standard deviation of the blurs, how far a pixel comes from, rounds of exchange.
_GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))


def check_installed() -> None:
    """Raises `UserError` when the library is missing."""
    if importlib.util.find_spec("imagecorruptions") is None:
        raise UserError(
            "--corruptions needs packages that are not installed; "
            "run: pip install -e '.[robustness]'"
        )


def corrupt(images: np.ndarray, name: str, severity: int, seed: int, first: int = 0) -> np.ndarray:
    """Corrupts images, each by a function of its pixels, its place in the split and the arguments.

    Nothing global is drawn from or changed, so it may run in several threads.

    Args:
      images: (n, height, width, 3) uint8, sides of at least `MIN_SIDE`.
      name: one of `CORRUPTIONS`.
      severity: one of `SEVERITIES`, or 0 for the images as they are.
      seed: of what is random, at least 0.
      first: place of the first image in its split.

    Returns:
      uint8, same shape.

    Raises:
      UserError: when name or severity is unknown, the images are too small or not in colour, or
        the library is missing.
    """
    _check(images, name, severity)
    if severity == 0:
        return images.copy()
    check_installed()
    function = getattr(_library(), name)
    corrupted = np.empty_like(images)
    for index, image in enumerate(images):
        key = (seed, first + index, CORRUPTIONS.index(name), severity)
        with _numpy.keyed(key):
            # Truncated, not rounded, as in the published pictures; all of it is within 0 to 255.
            corrupted[index] = np.asarray(function(Image.fromarray(image), severity))
    return corrupted


def _check(images: np.ndarray, name: str, severity: int) -> None:
    if name not in CORRUPTIONS:
        raise UserError(f"--corruptions={name} is unknown; there are {', '.join(CORRUPTIONS)}")
    if severity not in (0, *SEVERITIES):
        known = ", ".join(map(str, SEVERITIES))
        raise UserError(f"--severities={severity} is unknown; there are {known}, and 0 for none")
    height, width, channels = images.shape[1:]
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"--corruptions={name} needs images of at least {MIN_SIDE}x{MIN_SIDE} pixels, "
            f"not {height}x{width}"
        )
    if channels != 3:
        raise UserError(f"--corruptions={name} needs images with 3 channels, not {channels}")


class _Numpy(threading.local):
    """NumPy as the library is to see it: with a generator of ours, one for each thread."""

    float_ = np.float64  # Used by fog; left NumPy with 2.0.
    random: Any = np.random  # Outside of `keyed`, for other users of the library.

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @contextlib.contextmanager
    def keyed(self, key: tuple[int, ...]) -> Iterator[None]:
        """Within this context, all randomness of this thread is a function of `key`."""
        # NumPy promises that the numbers of this generator, the library's kind, never change.
        self.random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(key)))
        try:
            yield
        finally:
            del self.random


_numpy = _Numpy()
_importing = threading.Lock()


def _library() -> types.ModuleType:
    """The library's functions, imported on first use and mended."""
    with _importing:
        return _mended()


@functools.cache
def _mended() -> types.ModuleType:
    import scipy.ndimage
    import skimage.color

    # Both are imported by the library by names that go away: pkg_resources left setuptools with
    # 82, and this part of SciPy, now a warning, leaves with 2.0. Neither is needed under its name.
    resources = types.ModuleType("pkg_resources")
    vars(resources)["resource_filename"] = _resource_filename
    absent = {"pkg_resources": resources, "scipy.ndimage.interpolation": scipy.ndimage}
    with _standing_in(absent):
        library = importlib.import_module("imagecorruptions.corruptions")
    names = vars(library)
    names["np"] = _numpy
    names["sk"] = types.SimpleNamespace(
        color=skimage.color, util=types.SimpleNamespace(random_noise=_random_noise)
    )
    names["glass_blur"] = _glass_blur
    return library


@contextlib.contextmanager
def _standing_in(modules: dict[str, types.ModuleType]) -> Iterator[None]:
    """Within this context, imports by these names find these modules."""
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)


def _resource_filename(_: str, path: str) -> str:
    """Path of one of the library's pictures of frost."""
    return str(importlib.resources.files("imagecorruptions") / path)


def _random_noise(image: np.ndarray, mode: str, amount: float) -> np.ndarray:
    """Impulse noise from our generator; newer scikit-image makes one of its own, never seeded."""
    from skimage.util import random_noise

    return random_noise(image, mode, rng=int(_numpy.random.randint(2**31)), amount=amount)


def _glass_blur(image: Image.Image, severity: int) -> np.ndarray:
    """What the library's function gives, to the bit.

    That one calls scikit-image with an argument that is gone, `multichannel`, and takes 0.4 to 1 s
    for an image of 224 pixels, since it draws for and moves every pixel by NumPy calls of its own.

    Pixels are not exchanged with one nearby, as is meant, but overwritten by it: the library
    exchanges views of one array, and so does the code that ImageNet-C was made with.
    """
    from skimage.filters import gaussian

    sigma, reach, rounds = _GLASS[severity - 1]
    blurred = (gaussian(np.asarray(image) / 255, sigma, channel_axis=-1) * 255).astype(np.uint8)
    height, width, channels = blurred.shape
    rows = np.arange(height - reach, reach, -1)
    columns = np.arange(width - reach, reach, -1)
    places = (rows[:, np.newaxis] * width + columns).ravel()
    source = list(range(height * width))
    for _ in range(rounds):
        right, down = _numpy.random.randint(-reach, reach, (len(places), 2)).T
        origins = places + down * width + right
        # One after the other: a pixel may come from one that was itself overwritten.
        for place, origin in zip(places.tolist(), origins.tolist(), strict=True):
            source[place] = source[origin]
    shuffled = blurred.reshape(-1, channels)[source].reshape(blurred.shape)
    return np.clip(gaussian(shuffled / 255, sigma, channel_axis=-1), 0, 1) * 255

"""AutoAugment's ImageNet policy (Cubuk et al., CVPR 2019, table 9), each step keyed.

A sub-policy is drawn for each image, and each of its two steps is applied with its own probability.
The operations are Pillow's, as in the search for the policy. TensorFlow draws, and Pillow computes
outside of the graph, so the image is a pure function of the key.

Magnitudes are those of table 6 at level 0 to 9. Where the published code goes its own way, so does
this one: colour, contrast and sharpness change by a factor of 1 +- 0.9 x level / 9 of random sign,
where the paper's go from 0.1 to 1.9 and level 0 means 0.1; images turn counter-clockwise only,
where the paper draws the sign. Shearing interpolates bicubically, turning takes the nearest pixel,
and grey comes in from outside.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

LEVELS = 10

_OUTSIDE = (128, 128, 128)


class Step(NamedTuple):
    """Half of a sub-policy."""

    operation: str
    """Name among `OPERATIONS`."""
    probability: float
    level: int
    """0 to 9. Operations without magnitude ignore it."""


class Operation(NamedTuple):
    """What a step does to an image."""

    apply: Callable[[Image.Image, float], Image.Image]
    """Takes an RGB image and a magnitude."""
    least: float = 0.0
    """Magnitude at level 0."""
    most: float = 0.0
    """Magnitude at level 9."""
    signed: bool = False
    """Whether the magnitude's sign is drawn."""


class Choice(NamedTuple):
    """The two steps drawn for an image."""

    operations: tf.Tensor
    """(2,) int32, indices into `OPERATIONS`; -1 for a step that is left out."""
    magnitudes: tf.Tensor
    """(2,) float32, with their signs."""


def _shear_x(image: Image.Image, share: float) -> Image.Image:
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        (1, share, 0, 0, 1, 0),
        Image.Resampling.BICUBIC,
        fillcolor=_OUTSIDE,
    )


def _rotate(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, fillcolor=_OUTSIDE)


OPERATIONS: dict[str, Operation] = {
    # Moves each row to the left by the magnitude times its distance from the top.
    "ShearX": Operation(_shear_x, 0.0, 0.3, signed=True),
    # Counter-clockwise, in degrees.
    "Rotate": Operation(_rotate, 0.0, 30.0),
    "AutoContrast": Operation(lambda image, _: ImageOps.autocontrast(image)),
    "Invert": Operation(lambda image, _: ImageOps.invert(image)),
    "Equalize": Operation(lambda image, _: ImageOps.equalize(image)),
    # Inverts what is at least as bright as the magnitude.
    "Solarize": Operation(ImageOps.solarize, 256.0, 0.0),
    # Bits that are kept.
    "Posterize": Operation(lambda image, bits: ImageOps.posterize(image, round(bits)), 8.0, 4.0),
    "Contrast": Operation(lambda i, m: ImageEnhance.Contrast(i).enhance(1 + m), 0.0, 0.9, True),
    "Color": Operation(lambda i, m: ImageEnhance.Color(i).enhance(1 + m), 0.0, 0.9, True),
    "Sharpness": Operation(lambda i, m: ImageEnhance.Sharpness(i).enhance(1 + m), 0.0, 0.9, True),
}

Policy = tuple[tuple[Step, Step], ...]

IMAGENET_POLICY: Policy = (
    (Step("Posterize", 0.4, 8), Step("Rotate", 0.6, 9)),
    (Step("Solarize", 0.6, 5), Step("AutoContrast", 0.6, 5)),
    (Step("Equalize", 0.8, 8), Step("Equalize", 0.6, 3)),
    (Step("Posterize", 0.6, 7), Step("Posterize", 0.6, 6)),
    (Step("Equalize", 0.4, 7), Step("Solarize", 0.2, 4)),
    (Step("Equalize", 0.4, 4), Step("Rotate", 0.8, 8)),
    (Step("Solarize", 0.6, 3), Step("Equalize", 0.6, 7)),
    (Step("Posterize", 0.8, 5), Step("Equalize", 1.0, 2)),
    (Step("Rotate", 0.2, 3), Step("Solarize", 0.6, 8)),
    (Step("Equalize", 0.6, 8), Step("Posterize", 0.4, 6)),
    (Step("Rotate", 0.8, 8), Step("Color", 0.4, 0)),
    (Step("Rotate", 0.4, 9), Step("Equalize", 0.6, 2)),
    (Step("Equalize", 0.0, 7), Step("Equalize", 0.8, 8)),
    (Step("Invert", 0.6, 4), Step("Equalize", 1.0, 8)),
    (Step("Color", 0.6, 4), Step("Contrast", 1.0, 8)),
    (Step("Rotate", 0.8, 8), Step("Color", 1.0, 2)),
    (Step("Color", 0.8, 8), Step("Solarize", 0.8, 7)),
    (Step("Sharpness", 0.4, 7), Step("Invert", 0.6, 8)),
    (Step("ShearX", 0.6, 5), Step("Equalize", 1.0, 9)),
    (Step("Color", 0.4, 0), Step("Equalize", 0.6, 3)),
    (Step("Equalize", 0.4, 7), Step("Solarize", 0.2, 4)),
    (Step("Solarize", 0.6, 5), Step("AutoContrast", 0.6, 5)),
    (Step("Invert", 0.6, 4), Step("Equalize", 1.0, 8)),
    (Step("Color", 0.6, 4), Step("Contrast", 1.0, 8)),
    (Step("Equalize", 0.8, 8), Step("Equalize", 0.6, 3)),
)

_NAMES = tuple(OPERATIONS)
ROTATE, SHEAR_X = _NAMES.index("Rotate"), _NAMES.index("ShearX")


def magnitude(operation: str, level: int) -> float:
    """An operation's magnitude at a level of 0 to 9, without sign.

    >>> magnitude("Rotate", 9), magnitude("Solarize", 0), magnitude("Posterize", 9)
    (30.0, 256.0, 4.0)
    """
    _, least, most, _ = OPERATIONS[operation]
    return least + (most - least) * level / (LEVELS - 1)


def draw(key: tf.Tensor, policy: Policy = IMAGENET_POLICY) -> Choice:
    """Draws a sub-policy, whether each of its steps is applied, and the signs.

    Args:
      key: (2,) int32; the same key draws the same.
      policy: the sub-policies, each as likely as the other.
    """
    row_key, step_key, sign_key = tf.unstack(tf.random.split(key, 3))
    row = tf.random.stateless_uniform((), row_key, 0, len(policy), tf.int32)

    def of_row(value: Callable[[Step], float], dtype: tf.DType) -> tf.Tensor:
        return tf.constant([[value(step) for step in steps] for steps in policy], dtype)[row]

    operations = of_row(lambda step: _NAMES.index(step.operation), tf.int32)
    probabilities = of_row(lambda step: step.probability, tf.float32)
    magnitudes = of_row(lambda step: magnitude(step.operation, step.level), tf.float32)
    signed = of_row(lambda step: OPERATIONS[step.operation].signed, tf.bool)
    applied = tf.random.stateless_uniform((2,), step_key) < probabilities
    negative = signed & (tf.random.stateless_uniform((2,), sign_key) < 0.5)
    return Choice(tf.where(applied, operations, -1), tf.where(negative, -magnitudes, magnitudes))


def apply(image: tf.Tensor, choice: Choice) -> tf.Tensor:
    """Applies two steps, one after the other.

    Args:
      image: (height, width, 3) float32 in [0, 1]; rounded to 8 bits.
      choice: from `draw`.

    Returns:
      float32, same shape, in [0, 1].
    """
    pixels = tf.cast(tf.round(image * 255), tf.uint8)
    # Said to be stateless, which it is, so that tf.data runs several at a time.
    result = tf.numpy_function(_apply, (pixels, *choice), tf.uint8, stateful=False)
    result.set_shape(image.shape)
    return tf.cast(result, tf.float32) / 255


def _apply(pixels: np.ndarray, operations: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    for index, argument in zip(operations, magnitudes, strict=True):
        if index >= 0:
            image = OPERATIONS[_NAMES[index]].apply(image, float(argument))
    return np.asarray(image)

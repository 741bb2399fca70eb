"""What networks refuse: in Python where it is known, and in graphs that are made to be served.

Images are uint8 in 0 .. 255, or floats in [-1, 1].
"""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from tnet_tf.errors import UserError

# Resampling overshoots 1 a little; pixels in 0 .. 255, and standardised ones, lie far beyond.
_FAR = 2.0
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_IN_GRAPH = contextvars.ContextVar("in_graph", default=False)

Value = TypeVar("Value")


@contextlib.contextmanager
def in_graph() -> Iterator[None]:
    """Networks traced inside refuse what they are given whenever their graph runs."""
    token = _IN_GRAPH.set(True)
    try:
        yield
    finally:
        _IN_GRAPH.reset(token)


def guarded(value: Value, holds: Any, *sentence: Any) -> Value:
    """A value that there is only where a condition holds.

    Args:
      value: a tensor, or a number where the condition is no tensor.
      holds: bool or tensor () bool.
      *sentence: what is required and what is there instead, in words and tensors.

    Raises:
      UserError: where the condition is known not to hold. In graphs traced `in_graph` it is
        `tf.errors.InvalidArgumentError` once they run; others do not look at the condition.
    """
    if not tf.is_tensor(holds) or tf.executing_eagerly():
        if not holds:
            raise UserError(" ".join(map(_in_words, sentence)))
        return value
    if not _IN_GRAPH.get():
        return value
    refusal = tf.raw_ops.Assert(condition=holds, data=list(sentence), summarize=8)
    # The value depends on it: what no output depends on is lost where weights are frozen.
    with tf.control_dependencies([refusal]):
        return tf.identity(value)


def shaped(value: tf.Tensor, shape: Sequence[int | None], what: str) -> tf.Tensor:
    """A value that has the shape of its signature, which TensorFlow does not look at by itself.

    Args:
      value: of an input of a graph, with a size that the signature leaves open.
      shape: sizes; None for any from 1 on.
      what: the value and its shape, in words.
    """
    if not _IN_GRAPH.get():
        return value
    # The shape is looked up when the graph runs, not taken from what was known when it was traced;
    # for that TensorFlow must not know all of it.
    unknown = tf.raw_ops.PlaceholderWithDefault(input=value, shape=tf.TensorShape(None))
    given, rank = tf.shape(unknown), len(shape)
    sizes = tf.pad(given, [[0, rank]])[:rank]
    expected = tf.constant([size or 0 for size in shape])
    fits = tf.reduce_all((sizes > 0) & ((expected == 0) | (sizes == expected)))
    return guarded(value, (tf.size(given) == rank) & fits, f"{what}; given:", given)


def counts(locations: Sequence[int | tf.Tensor], most: int | None) -> tuple[int | tf.Tensor, ...]:
    """Numbers of locations, none of which is negative or more than there can be.

    Args:
      locations: one for each level after the first, numbers or tensors ().
      most: that each can be; None where there is no end.
    """
    possible = "0 or more" if most is None else f"0 to {most}"
    sentence = f"numbers of locations must be {possible}; given:"
    return tuple(
        guarded(count, (count >= 0) & (most is None or count <= most), sentence, count)
        for count in locations
    )


def check_images(images: Any) -> None:
    """Raises `UserError` for what can't be images, as far as that shows without their pixels.

    Args:
      images: array or tensor, with values or symbolic.
    """
    if not hasattr(images, "shape") or not hasattr(images, "dtype"):
        kind = type(images).__name__
        raise UserError(f"images must be one array or tensor (n, height, width, 3), not a {kind}")
    kind = str(getattr(images.dtype, "name", images.dtype))
    if kind not in ("uint8", *_FLOATS):
        raise UserError(
            f"images are {kind}: they must be uint8 in 0 .. 255, or floats in [-1, 1] "
            "(pixels / 127.5 - 1)"
        )
    if getattr(images.shape, "rank", 0) is None:
        return
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[3] not in (3, None) or 0 in shape:
        raise UserError(
            f"images have the shape {shape}: it must be (n, height, width, 3), with one image and "
            "one pixel at least"
        )


def in_range(images: tf.Tensor) -> tf.Tensor:
    """Images, of which no value is far outside of [-1, 1] or not a number.

    Like all that is `guarded`, they are looked at in eager calls and in graphs traced `in_graph`.

    Args:
      images: (n, H, W, 3), float in [-1, 1] or uint8; of the latter all values are in range.
    """
    if images.dtype == tf.uint8 or not (tf.executing_eagerly() or _IN_GRAPH.get()):
        return images
    least, most = tf.reduce_min(images), tf.reduce_max(images)
    return guarded(
        images,
        (least >= -_FAR) & (most <= _FAR),
        "float images must be in [-1, 1] (pixels / 127.5 - 1), else uint8; these reach from",
        least,
        "to",
        most,
    )


def _in_words(part: Any) -> str:
    return f"{float(part):g}" if tf.is_tensor(part) and part.shape.rank == 0 else str(part)

"""Randomness inside models, keyed instead of stateful.

A training step opens `keyed_randomness(key)`; every layer that draws noise asks `next_key()`, which
folds the running number of the draw into that key. Noise is thus a pure function of the key (made
of seed and step), so a resumed run repeats it exactly and no generator state has to be saved.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import tensorflow as tf


class _Active(threading.local):
    """The open contexts; `tf.distribute` traces every replica in a thread of its own."""

    def __init__(self) -> None:
        self.contexts: list[tuple[tf.Tensor, Iterator[int]]] = []


_active = _Active()


@contextlib.contextmanager
def keyed_randomness(key: tf.Tensor) -> Iterator[None]:
    """Within this context, every random draw of a layer is a function of `key`.

    Args:
      key: (2,) int32.
    """
    _active.contexts.append((key, itertools.count()))
    try:
        yield
    finally:
        _active.contexts.pop()


def next_key() -> tf.Tensor:
    """A (2,) int32 key for one draw; outside any context it comes from TensorFlow's global seed."""
    if not _active.contexts:
        return tf.random.uniform((2,), maxval=tf.int32.max, dtype=tf.int32)
    key, numbers = _active.contexts[-1]
    return tf.random.experimental.stateless_fold_in(key, next(numbers))


def keep_mask(shape: tf.Tensor, rate: float, dtype: tf.DType) -> tf.Tensor:
    """A random mask of 0 (with probability `rate`) and 1 / (1 - rate), so that its mean is 1."""
    kept = tf.random.stateless_uniform(shape, next_key()) >= rate
    return tf.cast(kept, dtype) / (1.0 - rate)

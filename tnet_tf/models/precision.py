"""What networks compute in."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Networks built inside compute in a precision; their weights are float32 in any case.

    Args:
      precision: 'float32', 'bfloat16' or 'float16'.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def copy_in(model: keras.Model, precision: str) -> keras.Model:
    """A network with the same weights that computes in a precision, see `computing_in`."""
    with computing_in(precision):
        copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy

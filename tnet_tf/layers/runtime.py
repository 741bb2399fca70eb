"""What a network is traced for: operations that are fast in one place are missing in another."""

import contextlib
import contextvars
from collections.abc import Iterator

TENSORFLOW = "tensorflow"
ONEDNN = "onednn"
OTHER = "other"

_RUNTIME = contextvars.ContextVar("runtime", default=TENSORFLOW)


@contextlib.contextmanager
def traced_for(runtime: str) -> Iterator[None]:
    """Networks traced inside are made for a runtime.

    Args:
      runtime: TENSORFLOW, anywhere, training included; ONEDNN, TensorFlow's inference on x86
        processors; OTHER, whatever runs a graph of common operations.
    """
    token = _RUNTIME.set(runtime)
    try:
        yield
    finally:
        _RUNTIME.reset(token)


def current() -> str:
    """The runtime that is traced for."""
    return _RUNTIME.get()

"""Files that Keras wrote: whole networks and their weights."""

import contextlib
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras

from tnet_tf.errors import first_line


def load_keras(path: Path) -> keras.Model:
    """The network that a .keras file holds, as it was saved.

    Args:
      path: of the file; its checksums are compared first.

    Raises:
      ValueError: when the file is damaged, or is none; one line.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} does not have its checksum")
        with _missing_weights_refused():
            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # zip, JSON, HDF5 and Keras fail in ways of their own
        raise ValueError(f"it is damaged, or no .keras file: {first_line(error)}") from error


def load_weights(model: keras.Model, path: Path) -> None:
    """Gives a network the weights of a .h5 or .weights.h5 file.

    Raises:
      Exception: of Keras or HDF5, when the file is damaged or lacks one of the network's weights.
    """
    with _missing_weights_refused():
        model.load_weights(path)


@contextlib.contextmanager
def _missing_weights_refused() -> Iterator[None]:
    """Makes an error of weights that are missing, of which Keras only warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield

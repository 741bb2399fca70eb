"""Reads networks out of .keras files."""

import warnings
import zipfile
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
        with warnings.catch_warnings():
            # Keras only warns of weights that it does not find.
            warnings.simplefilter("error", UserWarning)
            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # zip, JSON, HDF5 and Keras fail in ways of their own
        raise ValueError(f"it is damaged, or no .keras file: {first_line(error)}") from error

"""What Keras's `export` does with our networks."""

from pathlib import Path

import keras

from tnet_tf.models.keras_methods import KerasMethods
from tnet_tf.serving import formats


def export(model: keras.Model, filepath: str) -> None:
    """Writes a network's SavedModel, whole or not at all.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`.
      filepath: folder to write.

    Raises:
      UserError: when the folder holds other files, or can't be written.
    """
    # A SavedModel is for images of any size.
    formats.save("savedmodel", formats.Source(model, image_size=()), Path(filepath))


KerasMethods.exporting = staticmethod(export)

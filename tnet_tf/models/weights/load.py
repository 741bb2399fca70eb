"""Starts a network from weights in a file, and tells what became of each.

A source of weights is read into a dictionary from *its* names to arrays; a table of name changes
tells how ours translate.
"""

import dataclasses
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from tnet_tf.errors import UserError, first_line
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.weights import keras_applications, keras_file, published, pytorch
from tnet_tf.models.weights.names import (
    Arrays,
    Translation,
    layer_of,
    name_of_nearest_level,
    variable_names,
)
from tnet_tf.run import Run

# Their weights are left alone where a file has other classes.
_CLASSIFIERS = ("classification/", "glimpse_classification/")
# Layers that a report names of one kind.
_NAMED_LAYERS = 12


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What happened to every weight; names are our own, the file's in `unused`.

    Attributes:
      loaded: weights that now hold the file's values.
      initial: weights the file does not have; they keep their initial value.
      skipped: classifier weights that were left alone because the file has other classes.
      unused: names in the file that belong to no weight of the model.
    """

    loaded: tuple[str, ...]
    initial: tuple[str, ...]
    skipped: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} weights loaded"]
        for title, names in (
            ("left at their initial value", self.initial),
            ("skipped, the file has other classes", self.skipped),
            ("in the file but not in the model", self.unused),
        ):
            if names:
                lines.append(f"{len(names)} {title}: {', '.join(_layers(names))}")
        return "\n".join(lines)


def load_pretrained(model: keras.Model, path: str) -> LoadReport:
    """Starts a model from weights in a file.

    Args:
      model: TNet, MGNet, a feed-forward baseline or a backbone.
      path: a TensorFlow checkpoint with the published names (its prefix, its .index file or its
        folder), a keras.applications EfficientNet file (.h5, .weights.h5, .keras), a PyTorch
        state_dict of the published MGNet or of torchvision's ResNets (.safetensors, .npz, .pt,
        .pth, .ckpt), or a model of this package (.keras, .weights.h5) or the folder of a run that
        holds one.

    Returns:
      What was loaded, skipped and left at its initial value.

    Raises:
      UserError: when there is no such file, it can't be read, none of it fits, or a weight other
        than the classifier's has another shape; names the layer.
    """
    arrays, translate = _read(model, path)
    variables = variable_names(model)
    values, skipped = _fitting(variables, arrays, translate, path)
    for name, value in values.items():
        variables[name].assign(value)
    initial = tuple(name for name in variables if translate(name) not in arrays)
    expected = {translate(name) for name in variables}
    unused = tuple(name for name in arrays if name not in expected)
    return LoadReport(tuple(values), initial, skipped, unused)


def _fitting(
    variables: dict[str, keras.Variable], arrays: Arrays, translate: Translation, path: str
) -> tuple[Arrays, tuple[str, ...]]:
    """The file's values by our names, and our names of classifier weights that do not fit.

    Raises:
      UserError: when a weight other than the classifier's has another shape, or none fits.
    """
    values: Arrays = {}
    skipped = []
    for name, variable in variables.items():
        theirs = translate(name)
        if theirs not in arrays:
            continue
        value = arrays[theirs]
        if _same_weights(value.shape, tuple(variable.shape)):
            values[name] = value.reshape(variable.shape)
        elif name.startswith(_CLASSIFIERS):
            skipped.append(name)
        else:
            raise UserError(
                f"--pretrained={path}: {theirs} has shape {value.shape}, but the model's {name} "
                f"has {tuple(variable.shape)}; choose the --backbone that the file was made with"
            )
    if not values:
        raise UserError(
            f"--pretrained={path}: none of its {len(arrays)} weights has a name of this model, for "
            f"example {next(iter(arrays), 'nothing')}; choose the --backbone that it was made with"
        )
    # Half a classifier is none.
    incomplete = {layer_of(name) for name in skipped}
    skipped += [name for name in values if layer_of(name) in incomplete]
    return {n: v for n, v in values.items() if layer_of(n) not in incomplete}, tuple(skipped)


def _same_weights(theirs: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    """Whether shapes agree but for the 1 x 1 window that a dense layer leaves out."""
    return theirs == ours or (theirs[:2] == (1, 1) and theirs[2:] == ours)


def _read(model: keras.Model, path: str) -> tuple[Arrays, Translation]:
    """The arrays of a source by its names, and how our names translate into these."""
    place = Path(path)
    own_model = Run(path).best
    if own_model.is_file():
        place = own_model
    try:
        if place.is_file() and place.suffix in (".h5", ".keras"):
            return _read_keras(model, place)
        if place.is_file() and place.suffix in pytorch.SUFFIXES:
            return pytorch.read(place), pytorch.translation(model)
        checkpoint = tf.train.latest_checkpoint(path) if place.is_dir() else None
        prefix = checkpoint or path.removesuffix(".index")
        if Path(f"{prefix}.index").is_file():
            return published.read(prefix), published.translation(model)
    except UserError:
        raise
    except Exception as error:  # zip, HDF5, Keras and TensorFlow fail in ways of their own
        raise UserError(f"--pretrained={path} can't be read: {first_line(error)}") from error
    raise UserError(
        f"--pretrained={path}: no such weights; give a TensorFlow checkpoint's prefix, a .h5, "
        ".weights.h5, .keras, .safetensors, .npz, .pt, .pth or .ckpt file, or the folder of a "
        "finished run"
    )


def _read_keras(model: keras.Model, path: Path) -> tuple[Arrays, Translation]:
    """A network of this package or of keras.applications, whole or its weights alone."""
    source = keras_file.load_keras(path) if path.suffix == ".keras" else _of_weights(model, path)
    if not isinstance(source, Backbone | Classifier):
        arrays = keras_applications.read(model, source, path)
        return arrays, keras_applications.translation(model)
    own = {name: np.asarray(variable) for name, variable in variable_names(source).items()}
    return own, lambda name: name_of_nearest_level(name, own)


def _of_weights(model: keras.Model, path: Path) -> keras.Model:
    """A network with the weights of a file that does not say what network they belong to."""
    with h5py.File(path) as file:
        source = (
            model.__class__.from_config(model.get_config())
            if "feature_extraction" in file
            else keras_applications.network_of(model, file)
        )
    keras_file.load_weights(source, path)
    return source


def _layers(names: tuple[str, ...]) -> list[str]:
    """Layers instead of weights, so that a list stays short."""
    layers = list(dict.fromkeys(map(layer_of, names)))
    more = len(layers) - _NAMED_LAYERS
    return layers if more <= 0 else [*layers[:_NAMED_LAYERS], f".. {more} more layers"]

"""Our names of weights, and how they change into those of other networks' files.

Every weight of a network of ours has a name that says where it sits, such as
`feature_extraction/block3/project/convolution/kernel`.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

import keras
import numpy as np

from tnet_tf.models.backbone import Backbone

# A file's weights by the names that it has for them.
Arrays: TypeAlias = dict[str, np.ndarray]
# The name that a file has for a weight of ours.
Translation: TypeAlias = Callable[[str], str]

# BatchNorm weights kept per level end in the level's number, see `BatchNormalization`.
_LEVEL = re.compile(r"(.*?)(?:_(\d+))?")


def variable_names(model: keras.Model) -> dict[str, keras.Variable]:
    """Every weight of a network by our name for it, whatever the model itself is called.

    Args:
      model: a classifier of this package or a backbone.
    """
    names, backbone = {}, backbone_of(model).name
    for variable in model.weights:
        path = variable.path.removeprefix(f"{model.name}/")
        if isinstance(model, Backbone) or path.startswith(f"{backbone}/"):
            path = "feature_extraction/" + path.removeprefix(f"{backbone}/")
        names[path] = variable
    return names


def backbone_of(model: keras.Model) -> Backbone:
    """The backbone of a classifier, or the model itself where it is one."""
    return model if isinstance(model, Backbone) else model.feature_extraction


def layer_of(name: str) -> str:
    """The layer that a weight belongs to.

    >>> layer_of("feature_extraction/stem/convolution/kernel")
    'feature_extraction/stem/convolution'
    """
    return name.rsplit("/", 1)[0]


def changed(name: str, changes: Iterable[tuple[str, str]]) -> str:
    """A name after replacements of regular expressions, made one after the other.

    >>> changed("stem/kernel", ((r"^stem/", "conv1/"), (r"/kernel$", "/weight")))
    'conv1/weight'
    """
    for pattern, replacement in changes:
        name = re.sub(pattern, replacement, name)
    return name


def with_block_named(name: str, blocks: list[str]) -> str:
    """A name in which a file's name for a block stands in place of its number, counted from 1.

    >>> with_block_named("stage/block2/kernel", ["1a", "1b"])
    'stage/1b/kernel'
    """
    return re.sub(r"/block(\d+)/", lambda match: f"/{blocks[int(match[1]) - 1]}/", name)


def name_of_nearest_level(name: str, arrays: Arrays) -> str:
    """The file's BatchNorm set of this level, else of the last one before it, else the shared."""
    leaf, level = _LEVEL.fullmatch(name).groups()  # type: ignore[union-attr]
    levels = range(int(level or 1), 0, -1)
    candidates = [name, *(f"{leaf}_{number}" for number in levels), leaf]
    return next((candidate for candidate in candidates if candidate in arrays), name)

"""Weights in: published checkpoints, keras.applications files, our own models.

Every weight of a network of ours has a name that says where it sits, such as
`feature_extraction/block3/project/convolution/kernel`. A source of weights is read into a
dictionary from *its* names to arrays; a table of name changes tells how ours translate.
"""

import dataclasses
import functools
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from tnet_tf.errors import UserError, first_line
from tnet_tf.models import pytorch_weights
from tnet_tf.models.backbone import IMAGENET_MEAN, Backbone
from tnet_tf.models.bagnet import BagNet77
from tnet_tf.models.bagnet import block_groups as bagnet_groups
from tnet_tf.models.efficientnet import EfficientNet
from tnet_tf.models.efficientnet import block_groups as efficientnet_groups
from tnet_tf.models.keras_file import load_keras
from tnet_tf.models.resnet import ResNet

Arrays = dict[str, np.ndarray]

# BatchNorm weights kept per level end in the level's number, see `BatchNormalization`.
_LEVEL = re.compile(r"(.*?)(?:_(\d+))?")


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What happened to every weight; names are our own, the file's in `unused`.

    Attributes:
      loaded: weights that now hold the file's values.
      initial: weights the file does not have; they keep their initial value.
      skipped: classifier weights that were left alone because the file has other classes.
      unused: names in the file that no weight of the model asked for.
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
                lines.append(f"{len(names)} {title}: {', '.join(_folded(names))}")
        return "\n".join(lines)


# Our names become the published ones by these replacements, in this order (BatchNorm kept per level
# starts every level from the one published set).
_PUBLISHED = (
    (r"_\d+$", ""),
    (r"^classification/", "feature_extraction/logits_layer/"),
    (r"^positional_encoding/", "feature_posBurn/"),
    (r"^weighting/squeeze/reduce/", "feat_weighting/se/dense_1/"),
    (r"^weighting/squeeze/expand/", "feat_weighting/se/dense_2/"),
    (r"^weighting/output/", "feat_weighting/output_linear/"),
    (r"/coordinates/vertical/", "/height_scaling/"),
    (r"/coordinates/horizontal/", "/width_scaling/"),
    (r"^location/output/", "location/output_linear/"),
    (r"^location/fuse/", "location/conv2d/"),
    (r"^location/first/", "location/init/conv2d/"),
    (r"^location/second/", "location/final/conv2d/"),
    (r"/squeeze/reduce/", "/se/conv2d_1/"),
    (r"/squeeze/expand/", "/se/conv2d_2/"),
    (r"/depthwise/convolution/kernel", "/depthwise/conv2d/depthwise_kernel"),
    (r"/project/", "/bottleneck/"),
    (r"/convolution/", "/conv2d/"),
    (r"/normalization/", "/batch_norm/"),
)
_PUBLISHED_BAGNET: tuple[tuple[str, str], ...] = (
    (r"^location/", "location_prediction_earlyLocs/"),
    (r"/stem/", "/part1/conv2d/"),
    (r"^feature_extraction/top/", "feature_extraction/part6/conv2d/"),
    (r"/reduce/", "/comp_1/conv2d/"),
    (r"/convolve/", "/comp_2/conv2d/"),
    (r"/expand/", "/comp_3/conv2d/"),
    (r"/shortcut/", "/shortcut_comp/conv2d/"),
)
_PUBLISHED_EFFICIENTNET: tuple[tuple[str, str], ...] = ((r"^location/", "location_prediction/"),)
_KERAS_APPLICATIONS = (
    (r"_\d+$", ""),
    (r"^classification/linear/", "predictions/"),
    (r"^feature_extraction/", ""),
    (r"^(stem|top)/convolution/", r"\1_conv/"),
    (r"^(stem|top)/normalization/", r"\1_bn/"),
    (r"/(expand|project)/convolution/", r"_\1_conv/"),
    (r"/(expand|project)/normalization/", r"_\1_bn/"),
    (r"/depthwise/convolution/", "_dwconv/"),
    (r"/depthwise/normalization/", "_bn/"),
    (r"/squeeze/(reduce|expand)/", r"_se_\1/"),
)


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
    loaded, initial, skipped, used = [], [], [], set()
    assignments: Arrays = {}
    for name, variable in variable_names(model).items():
        theirs = translate(name)
        if theirs not in arrays:
            initial.append(name)
            continue
        value = arrays[theirs]
        used.add(theirs)
        if _same_weights(value.shape, tuple(variable.shape)):
            assignments[name] = value.reshape(variable.shape)
            loaded.append(name)
        elif name.startswith(("classification/", "glimpse_classification/")):
            skipped.append(name)
        else:
            raise UserError(
                f"--pretrained={path}: {theirs} has shape {value.shape}, but the model's {name} "
                f"has {tuple(variable.shape)}; choose the --backbone that the file was made with"
            )
    if not loaded:
        raise UserError(
            f"--pretrained={path}: none of its {len(arrays)} weights has a name of this model, for "
            f"example {next(iter(arrays), 'nothing')}; choose the --backbone that it was made with"
        )
    # Half a classifier is none.
    incomplete = {_layer(name) for name in skipped}
    skipped += [name for name in loaded if _layer(name) in incomplete]
    loaded = [name for name in loaded if _layer(name) not in incomplete]
    ours = variable_names(model)
    for name in loaded:
        ours[name].assign(assignments[name])
    unused = tuple(name for name in arrays if name not in used)
    return LoadReport(tuple(loaded), tuple(initial), tuple(skipped), unused)


def variable_names(model: keras.Model) -> dict[str, keras.Variable]:
    """Every weight of a network by our name for it, whatever the model itself is called."""
    names = {}
    for variable in model.weights:
        path = variable.path.removeprefix(f"{model.name}/")
        backbone = _backbone(model).name
        if isinstance(model, Backbone) or path.startswith(f"{backbone}/"):
            path = "feature_extraction/" + path.removeprefix(f"{backbone}/")
        names[path] = variable
    return names


def published_names(model: keras.Model) -> dict[str, keras.Variable]:
    """Every weight by the name it has in the published TensorFlow checkpoints."""
    return {_published_name(model)(name): v for name, v in variable_names(model).items()}


def _backbone(model: keras.Model) -> Backbone:
    return model if isinstance(model, Backbone) else model.feature_extraction


def _same_weights(theirs: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    """Whether shapes agree but for the 1 x 1 window that a dense layer leaves out."""
    return theirs == ours or (theirs[:2] == (1, 1) and theirs[2:] == ours)


def _replace(name: str, rules: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _published_name(model: keras.Model) -> Callable[[str], str]:
    backbone = _backbone(model)
    if isinstance(backbone, BagNet77):
        rules, groups = _PUBLISHED_BAGNET, bagnet_groups()
    elif isinstance(backbone, EfficientNet):
        rules, groups = _PUBLISHED_EFFICIENTNET, efficientnet_groups(backbone.variant)
    else:
        raise UserError(
            f"there are no published weights of a {type(backbone).__name__} (--backbone)"
        )

    def block(found: re.Match) -> str:
        group, member = groups[int(found[1]) - 1]
        return f"/part{group + 1}_block{member}/"

    def translate(name: str) -> str:
        return _replace(re.sub(r"/block(\d+)/", block, name), (*_PUBLISHED, *rules))

    return translate


def _pytorch_name(model: keras.Model) -> Callable[[str], str]:
    backbone = _backbone(model)
    if not isinstance(backbone, ResNet):
        raise UserError(
            f"PyTorch's weights fit a network of the ResNet family, not a "
            f"{type(backbone).__name__} (--backbone)"
        )
    return functools.partial(pytorch_weights.pytorch_name, backbone.variant)


def _keras_applications_name(model: keras.Model) -> Callable[[str], str]:
    groups = efficientnet_groups(_efficientnet(model).variant)

    def block(found: re.Match) -> str:
        group, member = groups[int(found[1]) - 1]
        return f"/block{group}{chr(ord('a') + member - 1)}/"

    return lambda name: _replace(re.sub(r"/block(\d+)/", block, name), _KERAS_APPLICATIONS)


def _efficientnet(model: keras.Model) -> EfficientNet:
    backbone = _backbone(model)
    if not isinstance(backbone, EfficientNet):
        raise UserError(
            f"keras.applications weights fit an EfficientNet, not a {type(backbone).__name__} "
            "(--backbone)"
        )
    return backbone


def _read(model: keras.Model, path: str) -> tuple[Arrays, Callable[[str], str]]:
    """The arrays of a source by its names, and how our names translate into these."""
    place = Path(path)
    own_model = place / "best.keras"
    if own_model.is_file():
        place = own_model
    try:
        if place.is_file() and place.suffix in (".h5", ".keras"):
            return _read_keras(model, place)
        if place.is_file() and place.suffix in pytorch_weights.SUFFIXES:
            return pytorch_weights.read(place), _pytorch_name(model)
        checkpoint = tf.train.latest_checkpoint(path) if place.is_dir() else None
        prefix = checkpoint or path.removesuffix(".index")
        if Path(f"{prefix}.index").is_file():
            return _read_checkpoint(prefix), _published_name(model)
    except UserError:
        raise
    except Exception as error:  # zip, HDF5, Keras and TensorFlow fail in ways of their own
        raise UserError(f"--pretrained={path} can't be read: {first_line(error)}") from error
    raise UserError(
        f"--pretrained={path}: no such weights; give a TensorFlow checkpoint's prefix, a .h5, "
        ".weights.h5, .keras, .safetensors, .npz, .pt, .pth or .ckpt file, or the folder of a "
        "finished run"
    )


def _read_checkpoint(prefix: str) -> Arrays:
    reader = tf.train.load_checkpoint(prefix)
    arrays = {}
    for key in reader.get_variable_to_shape_map():
        name = key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        if not name.startswith("_CHECKPOINTABLE"):
            arrays[name] = reader.get_tensor(key)
    return arrays


def _read_keras(model: keras.Model, path: Path) -> tuple[Arrays, Callable[[str], str]]:
    if path.suffix == ".keras":
        source = load_keras(path)
    else:
        with h5py.File(path) as file:
            own = "feature_extraction" in file
            source = (
                model.__class__.from_config(model.get_config())
                if own
                else _keras_applications_network(model, file)
            )
        with warnings.catch_warnings():
            # Keras only warns of weights it does not find; such a file is not what it claims to be.
            warnings.simplefilter("error", UserWarning)
            source.load_weights(path)
    if isinstance(getattr(source, "feature_extraction", source), Backbone):
        arrays = {name: np.asarray(v) for name, v in variable_names(source).items()}
        return arrays, lambda name: _name_of_nearest_level(name, arrays)
    arrays = {v.path: np.asarray(v) for v in source.weights}
    _check_statistics(model, arrays, path)
    kept = {name: value for name, value in arrays.items() if not name.startswith("normalization")}
    return kept, _keras_applications_name(model)


def _name_of_nearest_level(name: str, arrays: Arrays) -> str:
    """The file's BatchNorm set of this level, else of the last one before it, else the shared."""
    leaf, level = _LEVEL.fullmatch(name).groups()  # type: ignore[union-attr]
    levels = range(int(level or 1), 0, -1)
    candidates = [name, *(f"{leaf}_{number}" for number in levels), leaf]
    return next((candidate for candidate in candidates if candidate in arrays), name)


def _keras_applications_network(model: keras.Model, file: h5py.File) -> keras.Model:
    """An empty keras.applications network with the classifier, if any, that a weight file has."""
    matrices: list[tuple[int, ...]] = []
    file.visititems(
        lambda _, item: (
            matrices.append(item.shape)
            if isinstance(item, h5py.Dataset) and len(item.shape) == 2
            else None
        )
    )
    variant = _efficientnet(model).variant.upper()
    make = getattr(keras.applications, f"EfficientNet{variant}")
    if not matrices:
        return make(weights=None, include_top=False, input_shape=(224, 224, 3))
    return make(weights=None, classes=matrices[0][1])


def _check_statistics(model: keras.Model, arrays: Arrays, path: Path) -> None:
    """The pixels that the file's network was trained on must be the ones the model is fed."""
    means = [v for name, v in arrays.items() if re.match(r"normalization\w*/mean$", name)]
    imagenet = any(np.allclose(mean.ravel(), IMAGENET_MEAN, atol=1e-3) for mean in means)
    # A network trained from scratch only divides pixels by 255.
    wanted = "imagenet" if imagenet else "unit"
    has = _efficientnet(model).statistics.statistics
    if has != wanted:
        raise UserError(
            f"--pretrained={path} was trained with --input_statistics={wanted}, the model is fed "
            f"{has}; give --input_statistics={wanted}"
        )


def _layer(name: str) -> str:
    """The layer that a weight belongs to."""
    return name.rsplit("/", 1)[0]


def _folded(names: tuple[str, ...]) -> list[str]:
    """Layers instead of weights, so that a list stays short."""
    layers = list(dict.fromkeys(map(_layer, names)))
    return layers if len(layers) <= 12 else [*layers[:12], f".. {len(layers) - 12} more layers"]

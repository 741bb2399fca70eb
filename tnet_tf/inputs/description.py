"""What the files of a prepared dataset say of it: image, label, boxes, splits."""

import warnings
from collections.abc import Iterable

import numpy as np
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs import record_folder, records, splits
from tnet_tf.inputs.dataset import REGIONS, Dataset, Splits

_VALIDATION_NAMES = ("validation", "val", "valid")
_UNSPLIT: Splits = ("train[:80%]", "train[80%:90%]", "train[90%:]")


def describe(
    builder: tfds.core.DatasetBuilder,
    data: DataConfig,
    own_splits: Splits | None = None,
    kind: type[Dataset] = Dataset,
) -> Dataset:
    """What `Dataset` says of a prepared builder.

    Args:
      builder: prepared.
      data: the dataset's name, and the splits where they are not the dataset's own.
      own_splits: for training, validation and test; None: told from their names.
      kind: `Dataset`, or what reads these records in a way of its own.

    Raises:
      UserError: for missing features and missing or empty splits.
    """
    image, label = _image_and_label(builder)
    train, validation, test = own_splits or _splits(builder, data)
    classes = tuple(builder.info.features[label].names)
    if not classes:
        raise records.damaged(builder.data_path / record_folder.FEATURES, "tells of no classes")
    dataset = kind(
        name=data.dataset,
        builder=builder,
        train_split=data.train_split or train,
        validation_split=data.validation_split or validation,
        test_split=data.test_split or test,
        classes=classes,
        image_feature=image,
        label_feature=label,
        box_feature=_box_feature(builder),
        region_feature=_region_feature(builder) if data.crop_to_box else (),
    )
    for flag, split in zip(("train", "validation", "test"), dataset.splits, strict=True):
        _check_split(dataset, f"--{flag}_split", split)
    if data.crop_to_box and not dataset.has_boxes:
        raise UserError(f"--crop_to_box needs bounding boxes, and {dataset.name} has none")
    return dataset


def _image_and_label(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    features = builder.info.features
    names = [n for n in builder.info.supervised_keys or () if isinstance(n, str)] + list(features)
    chosen = []
    for kind, what in ((tfds.features.Image, "image"), (tfds.features.ClassLabel, "class label")):
        fitting = [n for n in names if n in features and isinstance(features[n], kind)]
        if not fitting:
            raise UserError(
                f"{builder.info.full_name} has no {what} among its features "
                f"({', '.join(features)}); it cannot be classified"
            )
        chosen.append(fitting[0])
    image, label = chosen
    if features[image].np_dtype == np.float32:
        raise UserError(
            f"the images of {builder.info.full_name} are floats, as depth maps are; only images of "
            "whole numbers are read"
        )
    return image, label


def _box_feature(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    features = builder.info.features
    if "bbox" in features:
        return ("bbox",)
    inner = getattr(features["objects"], "feature", None) if "objects" in features else None
    return ("objects", "bbox") if inner is not None and "bbox" in inner else ()


def _region_feature(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    if REGIONS[0] in builder.info.features:
        return REGIONS
    boxes = _box_feature(builder)
    return boxes if len(boxes) > 1 else ()


def _splits(builder: tfds.core.DatasetBuilder, data: DataConfig) -> Splits:
    """The splits for training, validation and test, told from their names."""
    names = list(builder.info.splits)
    validation, test = _first(names, _VALIDATION_NAMES), _first(names, ("test",))
    if not data.train_split and "train" not in names:
        raise UserError(
            f"{data.dataset} has no split 'train' but {', '.join(names)}; give --train_split"
        )
    if validation or test:
        return "train", validation or test, test or validation
    return _UNSPLIT if "train" in names else (names[0], names[0], names[0])


def _first(names: Iterable[str], candidates: tuple[str, ...]) -> str:
    return next((name for name in candidates if name in names), "")


def _check_split(dataset: Dataset, flag: str, split: str) -> None:
    try:
        dataset.check_split(split)
    except UserError as error:
        raise UserError(f"{flag}={split}: {error}") from error


def warn_of_overlap(dataset: Dataset) -> None:
    """Warns of examples that are trained on and evaluated, too."""
    info, train = dataset.builder.info, dataset.train_split
    trained = splits.ranges(info, train)
    for purpose, split in (
        ("validation", dataset.validation_split),
        ("test", dataset.test_split),
    ):
        count = splits.shared(trained, splits.ranges(info, split))
        if count:
            warnings.warn(
                f"--train_split={train} and --{purpose}_split={split} share {count} examples; "
                "accuracy on examples that were trained on says nothing about others",
                DoubtfulSettings,
                stacklevel=3,
            )

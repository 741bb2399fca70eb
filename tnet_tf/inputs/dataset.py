"""A prepared dataset: its records, splits, classes and boxes."""

import dataclasses
import functools
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs import decoding, record_folder, records, splits
from tnet_tf.inputs.builders.digit_scenes import DigitScenes

Splits = tuple[str, str, str]

# Datasets whose train, validation and test splits are not to be guessed from their names. The
# labels of ImageNet's test split are not public.
_SPLITS: dict[str, Splits] = {"imagenet2012": ("train", "validation", "validation")}

# Of `ImageFolder`, where images have several boxes.
_FOLDER_REGIONS = ("regions",)

_VALIDATION_NAMES = ("validation", "val", "valid")
_UNSPLIT: Splits = ("train[:80%]", "train[80%:90%]", "train[90%:]")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A prepared dataset.

    Attributes:
      name: as in `DataConfig.dataset`.
      builder: the TFDS builder, prepared.
      train_split: in TFDS syntax, as the two below.
      validation_split: evaluated during training.
      test_split: evaluated at the end.
      classes: names of the classes in the order of the labels.
      image_feature: name of the image among the builder's features.
      label_feature: name of the label.
      box_feature: path to the bounding box; empty if there is none.
      region_feature: path to the boxes that are examples of their own; empty where every image is
        one example.
      scene_size: height and width of scenes composed of training digits (`digit_scenes` only).
    """

    name: str
    builder: tfds.core.DatasetBuilder
    train_split: str
    validation_split: str
    test_split: str
    classes: tuple[str, ...]
    image_feature: str
    label_feature: str
    box_feature: tuple[str, ...] = ()
    region_feature: tuple[str, ...] = ()
    scene_size: tuple[int, int] | None = None

    @property
    def has_boxes(self) -> bool:
        """Whether examples come with a bounding box."""
        return bool(self.box_feature)

    @property
    def splits(self) -> Splits:
        """The three splits in use: train, validation, test."""
        return self.train_split, self.validation_split, self.test_split

    def composes(self, split: str) -> bool:
        """Whether the records of a split are single digits to compose scenes of."""
        return self.scene_size is not None and "train" in self.base_splits(split)

    def base_splits(self, split: str) -> list[str]:
        """Names of the splits that a split, slice or sum of them takes examples from."""
        return list(dict.fromkeys(part.split for part in splits.ranges(self.builder.info, split)))

    def shards(self, split: str) -> list[records.Shard]:
        """The files of a split and which of their records belong to it.

        Raises:
          UserError: see `splits.ranges`.
        """
        splits.ranges(self.builder.info, split)
        return records.shards_of(self.builder.info.splits[split])

    @functools.cached_property
    def _features(self) -> tfds.features.FeaturesDict:
        """The features that are read; others (segmentations, file names) are not even parsed."""
        return self._only(self.image_feature, self.label_feature, *self.box_feature[:1])

    def _only(self, *names: str) -> tfds.features.FeaturesDict:
        features = self.builder.info.features
        return tfds.features.FeaturesDict({name: features[name] for name in names})

    def parse(self, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Parses and decodes one serialized example.

        Args:
          record: string ().

        Returns:
          Image, uint8 (height, width, 3), or (height, width, 1) where all images are grey; label,
          int64 (); box, float32 (4,), the largest one where there are several, zeros for none.
        """
        example = self._fields(record)
        channels = 1 if self.builder.info.features[self.image_feature].shape[-1] == 1 else 3
        image = decoding.decode(example[self.image_feature], channels)
        box = _largest(_boxes(example, self.box_feature)) if self.box_feature else tf.zeros(4)
        label, classes = example[self.label_feature], len(self.classes)
        tf.debugging.assert_non_negative(label, "an example without label")
        tf.debugging.assert_less(label, tf.cast(classes, label.dtype), f"only {classes} classes")
        return image, label, box

    def check_features(self) -> None:
        """Checks on the first record of each split in use that records are as described.

        Raises:
          UserError: names both files.
        """
        described = self.builder.data_path / record_folder.FEATURES
        for split in dict.fromkeys(self.splits):
            path = self.shards(split)[0].path
            try:
                for record in tf.data.TFRecordDataset(path).take(1):
                    self._fields(record)
            except tf.errors.DataLossError as error:
                raise records.damaged(path, f"is damaged: {error.message}") from error
            except Exception as error:  # TFDS raises what it likes for what it can't parse
                reason = " ".join(str(error).split())[:200]
                raise records.damaged(
                    described, f"does not describe the records of {path}: {reason}"
                ) from error

    def _fields(self, record: tf.Tensor) -> dict[str, tf.Tensor]:
        """The features of a record that are read, the image still encoded."""
        return self._features.deserialize_example(
            record, decoders={self.image_feature: tfds.decode.SkipDecoding()}
        )

    def regions(self, record: tf.Tensor) -> tf.Tensor:
        """The boxes of one serialized example that are examples of their own, float32 (r, 4).

        All zeros stands for the whole image: where an image has no box. A folder's images whose
        boxes are all tiny have no region (see `ImageFolder`).

        Args:
          record: string ().
        """
        features = self._only(self.region_feature[0])
        boxes = _boxes(features.deserialize_example(record), self.region_feature)
        if self.region_feature == _FOLDER_REGIONS:
            return boxes
        return tf.cond(tf.size(boxes) > 0, lambda: boxes, lambda: tf.zeros((1, 4)))

    def parse_label(self, record: tf.Tensor) -> tf.Tensor:
        """The label alone of a serialized example, string (); int64 ()."""
        return self._only(self.label_feature).deserialize_example(record)[self.label_feature]


def _boxes(example: Any, path: tuple[str, ...]) -> tf.Tensor:
    for name in path:
        example = example[name]
    return tf.reshape(example, (-1, 4))


def _largest(boxes: tf.Tensor) -> tf.Tensor:
    boxes = tf.concat([boxes, tf.zeros((1, 4))], axis=0)
    areas = tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return boxes[tf.argmax(areas)]


def describe(builder: tfds.core.DatasetBuilder, data: DataConfig) -> Dataset:
    """What `Dataset` says of a prepared builder.

    Raises:
      UserError: for missing features and missing or empty splits.
    """
    image, label = _image_and_label(builder)
    train, validation, test = _splits(builder, data)
    classes = tuple(builder.info.features[label].names)
    if not classes:
        raise records.damaged(builder.data_path / record_folder.FEATURES, "tells of no classes")
    dataset = Dataset(
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
        scene_size=_scene_size(builder),
    )
    for flag, split in zip(("train", "validation", "test"), dataset.splits, strict=True):
        _check_split(dataset, f"--{flag}_split", split)
    if data.crop_to_box and not dataset.has_boxes:
        raise UserError(f"--crop_to_box needs bounding boxes, and {dataset.name} has none")
    return dataset


def _image_and_label(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    features = builder.info.features
    names = [n for n in builder.info.supervised_keys or () if isinstance(n, str)] + list(features)
    found = []
    for kind, what in ((tfds.features.Image, "image"), (tfds.features.ClassLabel, "class label")):
        fitting = [n for n in names if n in features and isinstance(features[n], kind)]
        if not fitting:
            raise UserError(
                f"{builder.info.full_name} has no {what} among its features "
                f"({', '.join(features)}); it cannot be classified"
            )
        found.append(fitting[0])
    image, label = found
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
    if _FOLDER_REGIONS[0] in builder.info.features:
        return _FOLDER_REGIONS
    boxes = _box_feature(builder)
    return boxes if len(boxes) > 1 else ()


def _scene_size(builder: tfds.core.DatasetBuilder) -> tuple[int, int] | None:
    if builder.name != DigitScenes.name:
        return None
    height, width = builder.data_path.parent.name.split("x")
    return int(height), int(width)


def _splits(builder: tfds.core.DatasetBuilder, data: DataConfig) -> Splits:
    """The dataset's own splits for training, validation and test."""
    names = list(builder.info.splits)
    if builder.name in _SPLITS:
        return _SPLITS[builder.name]
    validation, test = _first(names, _VALIDATION_NAMES), _first(names, ("test",))
    if not data.train_split and "train" not in names:
        raise UserError(
            f"{data.dataset} has no split 'train' but {', '.join(names)}; give --train_split"
        )
    if validation or test:
        return "train", validation or test, test or validation
    return _UNSPLIT if "train" in names else (names[0], names[0], names[0])


def _first(names: Iterable[str], wanted: tuple[str, ...]) -> str:
    return next((name for name in wanted if name in names), "")


def _check_split(dataset: Dataset, flag: str, split: str) -> None:
    try:
        bases = dataset.base_splits(split)
    except UserError as error:
        raise UserError(f"{flag}={split}: {error}") from error
    if dataset.scene_size is not None and "train" in bases and bases[1:]:
        raise UserError(f"{flag}={split}: digits and scenes of {dataset.name} cannot be mixed")


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

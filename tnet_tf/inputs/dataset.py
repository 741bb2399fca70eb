"""A prepared dataset: its records, splits, classes and boxes."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import decoding, records
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
        return self.scene_size is not None and base(split) == "train"

    def shards(self, split: str) -> list[records.Shard]:
        """The files of a split and which of their records belong to it.

        Raises:
          UserError: for a split that is unknown, malformed or empty.
        """
        try:
            shards = records.shards_of(self.builder.info.splits[split])
        except (ValueError, KeyError, AssertionError) as error:
            raise UserError(
                f"{self.name} has no split {split!r}, only "
                f"{', '.join(self.builder.info.splits)} and slices such as 'train[:90%]'"
            ) from error
        if not shards:
            raise UserError(f"split {split!r} of {self.name} is empty")
        return shards

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
        example = self._features.deserialize_example(
            record, decoders={self.image_feature: tfds.decode.SkipDecoding()}
        )
        channels = 1 if self.builder.info.features[self.image_feature].shape[-1] == 1 else 3
        image = decoding.decode(example[self.image_feature], channels)
        box = _largest(_boxes(example, self.box_feature)) if self.box_feature else tf.zeros(4)
        return image, example[self.label_feature], box

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
    dataset = Dataset(
        name=data.dataset,
        builder=builder,
        train_split=data.train_split or train,
        validation_split=data.validation_split or validation,
        test_split=data.test_split or test,
        classes=tuple(builder.info.features[label].names),
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
    return found[0], found[1]


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


def base(split: str) -> str:
    """The split that a slice is taken from."""
    return split.partition("[")[0]


def _check_split(dataset: Dataset, flag: str, split: str) -> None:
    if dataset.scene_size is not None and "+" in split:
        raise UserError(f"{flag}={split}: digits and scenes of {dataset.name} cannot be mixed")
    try:
        dataset.shards(split)
    except UserError as error:
        raise UserError(f"{flag}={split}: {error}") from error

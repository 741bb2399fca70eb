"""A prepared dataset: its records, splits, classes and boxes, and how an example is read."""

import dataclasses
import functools
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.inputs import decoding, record_folder, records, splits

Splits = tuple[str, str, str]
# An image, its label and its box.
Labelled = tuple[tf.Tensor, tf.Tensor, tf.Tensor]

# A feature of builders of this package: the boxes that are examples, and none for some images.
REGIONS = ("regions",)


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

    @property
    def has_boxes(self) -> bool:
        """Whether examples come with a bounding box."""
        return bool(self.box_feature)

    @property
    def splits(self) -> Splits:
        """The three splits in use: train, validation, test."""
        return self.train_split, self.validation_split, self.test_split

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

    def check_split(self, split: str) -> None:
        """Checks that a split, slice or sum of them can be read.

        Raises:
          UserError: see `splits.ranges`.
        """
        self.base_splits(split)

    def outdated(self) -> str:
        """What is wrong with records that an earlier version prepared, to follow their folder."""
        return ""

    def read(
        self, split: str, key: tf.Tensor, record: tf.Tensor, region: tf.Tensor | None = None
    ) -> Labelled:
        """Makes an example of a record.

        Args:
          split: that the record is of, in TFDS syntax.
          key: (2,) int32, for what is drawn anew each time that the record is read.
          record: () string, serialized.
          region: (4,) float32, the box that is the example; None: the whole image is.

        Returns:
          As `parse`; the box is the region, if there is one.
        """
        image, label, box = self.parse(record)
        return image, label, box if region is None else region

    def parse(self, record: tf.Tensor) -> Labelled:
        """Parses and decodes one serialized example.

        Args:
          record: () string.

        Returns:
          Image, (height, width, 3) uint8, or (height, width, 1) where all images are grey; label,
          () int64; box, (4,) float32, the largest one where there are several, zeros for none.
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
        """The boxes of one serialized example that are examples of their own, (r, 4) float32.

        All zeros stands for the whole image: where an image has no box. A folder's images whose
        boxes are all tiny have no region (see `ImageFolder`).

        Args:
          record: () string.
        """
        features = self._only(self.region_feature[0])
        boxes = _boxes(features.deserialize_example(record), self.region_feature)
        if self.region_feature == REGIONS:
            return boxes
        return tf.cond(tf.size(boxes) > 0, lambda: boxes, lambda: tf.zeros((1, 4)))

    def parse_label(self, record: tf.Tensor) -> tf.Tensor:
        """The label alone of a serialized example, () string; () int64."""
        return self._only(self.label_feature).deserialize_example(record)[self.label_feature]


def _boxes(example: Any, path: tuple[str, ...]) -> tf.Tensor:
    for name in path:
        example = example[name]
    return tf.reshape(example, (-1, 4))


def _largest(boxes: tf.Tensor) -> tf.Tensor:
    boxes = tf.concat([boxes, tf.zeros((1, 4))], axis=0)
    areas = tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return boxes[tf.argmax(areas)]

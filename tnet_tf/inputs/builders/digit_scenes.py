"""The digit scenes: training digits one by one, from which reading composes; other scenes fixed."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.errors import UserError
from tnet_tf.inputs import digit_scenes
from tnet_tf.inputs.dataset import Dataset, Labelled

_DEFAULT_SIZE = "224x224"
_SMALLEST_SIDE = 32


class DigitScenes(tfds.core.GeneratorBasedBuilder):
    """One handwritten digit among fragments of others; no download.

    Split 'train' holds single digits, 8 x 8, of which training composes a new scene each time.
    Splits 'validation' and 'test' hold composed scenes, the same for everyone. No digit occurs in
    two splits, neither complete nor as a fragment.

    Args:
      config: 'HEIGHTxWIDTH' of the scenes in pixels; None means 224x224.
      data_dir: folder of the prepared records.

    Raises:
      UserError: for a size that cannot be read or is too small.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, config: str | None = None, data_dir: str | None = None, **keywords: Any):
        self.height, self.width = _parse(config or _DEFAULT_SIZE)
        super().__init__(config=f"{self.height}x{self.width}", data_dir=data_dir, **keywords)

    @classmethod
    def get_builder_config(
        cls, name: str, version: str | tfds.core.Version | None = None
    ) -> tfds.core.BuilderConfig:
        """A configuration of any name: sizes are not listed, they are read."""
        return tfds.core.BuilderConfig(name=name)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=list(digit_scenes.CLASSES)),
            "bbox": tfds.features.BBoxFeature(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="One handwritten digit among fragments of others.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            license="CC BY 4.0",
            metadata=tfds.core.MetadataDict(digit_scenes.settings()),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {
            "train": self._generate_examples("train", 0),
            "validation": self._generate_examples("validation", digit_scenes.VALIDATION_SCENES),
            "test": self._generate_examples("test", digit_scenes.TEST_SCENES),
        }

    def _generate_examples(self, split: str, scenes: int) -> Iterator:
        return self._scenes(split, scenes) if scenes else self._digits()

    def _digits(self) -> Iterator[tuple[int, dict[str, Any]]]:
        images, labels = digit_scenes.digits_of("train")
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield (
                index,
                {"image": image, "label": label, "bbox": tfds.features.BBox(0.0, 0.0, 1.0, 1.0)},
            )

    def _scenes(self, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        images, labels = digit_scenes.digits_of(split)
        digits = tf.constant(images, tf.float32)
        compose = tf.function(digit_scenes.compose, reduce_retracing=True)
        for index in range(count):
            chosen = index % len(labels)
            key = tf.constant([0, index], tf.int32)
            scene, box = compose(digits[chosen], key, digits, self.height, self.width)
            # A whole digit ends exactly at the border at most; float32 may say a bit more.
            corners = np.minimum(box.numpy().astype(np.float64), 1.0)
            yield index, {"image": scene.numpy(), "label": labels[chosen], "bbox": corners}


class Scenes(Dataset):
    """Prepared digit scenes: those of the training digits are composed as they are read."""

    @property
    def scene_size(self) -> tuple[int, int]:
        """Height and width of the scenes in pixels."""
        return _parse(self.builder.data_path.parent.name)

    def composes(self, split: str) -> bool:
        """Whether the records of a split are single digits to compose scenes of."""
        return "train" in self.base_splits(split)

    def check_split(self, split: str) -> None:
        """See `Dataset.check_split`; digits and scenes are not read together."""
        if self.composes(split) and self.base_splits(split)[1:]:
            raise UserError(f"digits and scenes of {self.name} cannot be mixed")

    def outdated(self) -> str:
        """See `Dataset.outdated`; the numbers of the task may have changed."""
        same = dict(self.builder.info.metadata) == digit_scenes.settings()
        return "" if same else "holds scenes composed with other settings"

    def read(
        self, split: str, key: tf.Tensor, record: tf.Tensor, region: tf.Tensor | None = None
    ) -> Labelled:
        """See `Dataset.read`; the key decides the scene that is composed around a digit."""
        image, label, box = super().read(split, key, record, region)
        if self.composes(split):
            digits, _ = digit_scenes.digits_of("train")
            image.set_shape(digits.shape[1:])
            image, box = digit_scenes.compose(
                image, key, tf.constant(digits, tf.float32), *self.scene_size
            )
        return image, label, box


def _parse(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    if match is None:
        raise UserError(
            f"--dataset=digit_scenes/{size}: scenes are named by their size, for example "
            f"digit_scenes/{_DEFAULT_SIZE}"
        )
    height, width = int(match[1]), int(match[2])
    if min(height, width) < _SMALLEST_SIDE:
        raise UserError(
            f"--dataset=digit_scenes/{size}: a scene needs at least {_SMALLEST_SIDE} pixels a side"
        )
    return height, width

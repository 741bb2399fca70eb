"""Images, folders of images and TFDS datasets to test with."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


def noise(height: int = 12, width: int = 16, seed: int = 0) -> Image.Image:
    """A colourful image that is different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def make_folder(
    root: pathlib.Path, splits: dict[str, int], classes: tuple[str, ...] = ("cat", "dog")
) -> pathlib.Path:
    """root/<split>/<class>/<number>.png with so many images per class; split '' for none."""
    for split, count in splits.items():
        for name in classes:
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise(seed=number).save(folder / f"{number}.png")
    return root


class SmallImages(tfds.core.GeneratorBasedBuilder):
    """A TFDS dataset as others publish them: objects with boxes, and features nobody asked for."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["left", "right"]),
            "mask": tfds.features.Image(shape=(None, None, 1)),
            "objects": tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()}),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        return {"train": self._generate_examples(20), "test": self._generate_examples(5)}

    def _generate_examples(self, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        small, large = (
            tfds.features.BBox(0.1, 0.1, 0.2, 0.2),
            tfds.features.BBox(0.2, 0.3, 0.8, 0.9),
        )
        for index in range(count):
            image = np.array(noise(seed=index))
            yield (
                index,
                {
                    "image": image,
                    "label": index % 2,
                    "mask": image[..., :1],
                    "objects": [{"bbox": small}, {"bbox": large}] if index else [],
                },
            )


class Sounds(tfds.core.GeneratorBasedBuilder):
    """A TFDS dataset without images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"label": tfds.features.ClassLabel(num_classes=2)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from ((index, {"label": index % 2}) for index in range(4))

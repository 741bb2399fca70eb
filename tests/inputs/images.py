"""Images, folders of images and TFDS datasets to test with."""

import io
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


def noise(height: int = 12, width: int = 16, seed: int = 0) -> Image.Image:
    """A colourful image that is different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, format: str, **settings: Any) -> bytes:
    """An image as the bytes of a file."""
    content = io.BytesIO()
    image.save(content, format, **settings)
    return content.getvalue()


def black_png(height: int, width: int) -> bytes:
    """A PNG of one bit per pixel, all black: 23,000 x 23,000 pixels take 64 kB."""
    row = bytes(1 + (width + 7) // 8)
    compressor = zlib.compressobj(9)
    rows = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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


class DepthMaps(Sounds):
    """A TFDS dataset whose images are floats, of which each is stored as the four bytes of one."""

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(4, 4, 1), dtype=np.float32, encoding_format="png"),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in range(20):
            yield index, {"image": np.full((4, 4, 1), 0.5, np.float32), "label": index % 2}

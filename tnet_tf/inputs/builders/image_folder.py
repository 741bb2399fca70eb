"""TFDS builder of any folder of images with one folder per class."""

import collections
import concurrent.futures
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from tnet_tf.errors import UserError
from tnet_tf.inputs.builders import boxes_csv, folder_layout, image_files

_BOXES_FILE = "boxes.csv"
_T = TypeVar("_T")
_R = TypeVar("_R")


class ImageFolder(tfds.core.GeneratorBasedBuilder):
    """Images of root/<split>/<class>/* or root/<class>/*, with or without boxes.

    The folder is looked through when the builder is made, so that most mistakes show before
    anything is written. Every image is decoded once when it is stored.

    Args:
      name: under which the records are kept: `folder/NAME`.
      folder: the root.
      boxes: CSV of boxes; None: `boxes.csv` in the root, if there is one.
      max_shorter_side: images with a longer shorter side are shrunk to it; 0: none is.
      skip_bad_images: leave unreadable images out instead of stopping.
      data_dir: folder of the prepared records.

    Raises:
      UserError: see `folder_layout.scan`, `boxes_csv.read` and `boxes_csv.relative`.
    """

    name = "folder"
    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        name: str,
        folder: pathlib.Path,
        boxes: pathlib.Path | None = None,
        max_shorter_side: int = 0,
        skip_bad_images: bool = False,
        data_dir: str | None = None,
        **keywords: Any,
    ):
        self._layout = folder_layout.scan(folder)
        self._max_shorter_side = max_shorter_side
        self._skip_bad_images = skip_bad_images
        csv = _boxes_file(folder, boxes)
        self._boxes = self._relative_boxes(csv) if csv else {}
        self.source = {
            "folder": str(folder.resolve()),
            "files": sum(1 for _ in self._layout.files()),
            "fingerprint": self._layout.fingerprint(),
            "boxes": hashlib.sha256(csv.read_bytes()).hexdigest() if csv else "",
            "max_shorter_side": max_shorter_side,
        }
        super().__init__(config=name, data_dir=data_dir, **keywords)

    @classmethod
    def get_builder_config(
        cls, name: str, version: str | tfds.core.Version | None = None
    ) -> tfds.core.BuilderConfig:
        """A configuration of any name."""
        return tfds.core.BuilderConfig(name=name)

    def _info(self) -> tfds.core.DatasetInfo:
        features: dict[str, tfds.features.FeatureConnector] = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=self._layout.classes),
            "file": tfds.features.Text(),
        }
        if self._boxes:
            features["bbox"] = tfds.features.BBoxFeature()
        return tfds.core.DatasetInfo(
            builder=self,
            description="A folder of images with one folder per class.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(
                source=self.source,
                ignored=self._layout.ignored,
                boxes=sum(1 for y0, x0, y1, x1 in self._boxes.values() if y1 > y0 and x1 > x0),
                skipped=[],
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {split: self._generate_examples(split) for split in self._layout.splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        classes = self._layout.splits[split]
        labels = {file: name for name, files in classes.items() for file in files}
        stored: set[str] = set()
        for file, image in _in_threads(self._read, labels):
            if isinstance(image, image_files.UnreadableImageError):
                self.info.metadata["skipped"].append(f"{file}: {image}")
                continue
            stored.add(labels[file])
            example = {"image": image.encoded, "label": labels[file], "file": file}
            if self._boxes:
                box = self._boxes.get(file, (0.0, 0.0, 0.0, 0.0))
                example["bbox"] = tfds.features.BBox(*box)
            yield file, example
        if not stored:
            raise UserError(f"{self._layout.root}: no image of {split} is readable")
        lost = [name for name in classes if name not in stored]
        if split == "train" and lost:
            raise UserError(f"{self._layout.root}: no image of class {lost[0]!r} is readable")

    def _read(self, file: str) -> image_files.StoredImage | image_files.UnreadableImageError:
        path = self._layout.root / file
        try:
            return image_files.read(path, self._max_shorter_side)
        except image_files.UnreadableImageError as error:
            return self._tolerated(path, error)

    def _tolerated(
        self, path: pathlib.Path, error: image_files.UnreadableImageError
    ) -> image_files.UnreadableImageError:
        if self._skip_bad_images:
            return error
        raise UserError(
            f"{path} is unreadable: {error} (--on_bad_image=skip leaves such files out)"
        ) from error

    def _relative_boxes(self, csv: pathlib.Path) -> dict[str, tuple[float, ...]]:
        """Boxes as fractions, each checked against its image before anything is stored."""
        boxes = boxes_csv.read(csv, self._layout.files())
        return {
            file: boxes_csv.relative(boxes[file], *size, f"{csv}: {file}")
            for file, size in _in_threads(self._size, boxes)
            if isinstance(size, tuple)
        }

    def _size(self, file: str) -> tuple[int, int] | image_files.UnreadableImageError:
        path = self._layout.root / file
        try:
            return image_files.size(path)
        except image_files.UnreadableImageError as error:
            return self._tolerated(path, error)


def _boxes_file(folder: pathlib.Path, boxes: pathlib.Path | None) -> pathlib.Path | None:
    if boxes is not None:
        return boxes
    beside = folder / _BOXES_FILE
    return beside if beside.exists() else None


def _in_threads(function: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[tuple[_T, _R]]:
    """Each item with its result, in order, a few ahead of the consumer."""
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as executor:
        ahead: collections.deque = collections.deque()
        try:
            for item in items:
                ahead.append((item, executor.submit(function, item)))
                if len(ahead) > 2 * workers:
                    first, future = ahead.popleft()
                    yield first, future.result()
            for first, future in ahead:
                yield first, future.result()
        finally:
            executor.shutdown(cancel_futures=True)

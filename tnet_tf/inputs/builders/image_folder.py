"""TFDS builder of any folder of images with one folder per class."""

import collections
import concurrent.futures
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import tensorflow_datasets as tfds
from tqdm import tqdm

from tnet_tf.errors import UserError
from tnet_tf.inputs.builders import boxes_csv, folder_layout, image_files

_BOXES_FILE = "boxes.csv"
_T = TypeVar("_T")
_R = TypeVar("_R")


class _Boxes(NamedTuple):
    """The boxes of an image: y_min, x_min, y_max, x_max as fractions."""

    all: list[tuple[float, ...]]
    regions: list[tuple[float, ...]]
    """Those that are examples of their own; all zeros is the whole image."""


_NO_BOXES = _Boxes([(0.0, 0.0, 0.0, 0.0)], [(0.0, 0.0, 0.0, 0.0)])


class ImageFolder(tfds.core.GeneratorBasedBuilder):
    """Images of root/<split>/<class>/* or root/<class>/*, with or without boxes.

    The folder is looked through when the builder is made, and the headers of all images before the
    first is stored, so that most mistakes show before anything is written. Every image is decoded
    once when it is stored.

    `bbox` of a record is the image's largest box. `regions`, only where an image has another number
    of them than one, holds the boxes of more than 2 pixels a side, which `--crop_to_box` makes
    examples; an image without a row in the CSV has the whole image as its region.

    Args:
      name: under which the records are kept: `folder/NAME`.
      folder: the root.
      boxes: CSV of boxes; None: `boxes.csv` in the root, if there is one.
      limits: of the images' sizes.
      skip_bad_images: leave images out that cannot be used, instead of stopping.
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
        limits: image_files.Limits = image_files.DEFAULT_LIMITS,
        skip_bad_images: bool = False,
        data_dir: str | None = None,
        **keywords: Any,
    ):
        self._layout = folder_layout.scan(folder)
        self._reader = image_files.Reader(limits)
        self._skip_bad_images = skip_bad_images
        csv = _boxes_file(folder, boxes)
        self._boxes = self._read_boxes(csv) if csv else {}
        self._several = any(len(boxes.regions) != 1 for boxes in self._boxes.values())
        self.source = {
            "folder": str(folder.resolve()),
            "files": sum(1 for _ in self._layout.files()),
            "fingerprint": self._layout.fingerprint(),
            "boxes": hashlib.sha256(csv.read_bytes()).hexdigest() if csv else "",
            "max_shorter_side": limits.max_shorter_side,
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
        if self._several:
            features["regions"] = tfds.features.Sequence(tfds.features.BBoxFeature())
        return tfds.core.DatasetInfo(
            builder=self,
            description="A folder of images with one folder per class.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(
                source=self.source,
                ignored=self._layout.ignored,
                repeated=self._layout.repeated,
                boxes=sum(_area(box) > 0 for boxes in self._boxes.values() for box in boxes.all),
                tiny_boxes=sum(len(b.all) - len(b.regions) for b in self._boxes.values()),
                skipped=[],
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        if not self._skip_bad_images:
            files = list(self._layout.files())
            checks = _in_threads(self._tolerant(self._reader.check), files)
            for _ in tqdm(checks, "checking", len(files), unit=" images", delay=1, leave=False):
                pass
        return {split: self._generate_examples(split) for split in self._layout.splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        classes = self._layout.splits[split]
        labels = {file: name for name, files in classes.items() for file in files}
        stored: set[str] = set()
        for file, image in _in_threads(self._tolerant(self._reader.read), labels):
            if isinstance(image, image_files.BadImageError):
                self.info.metadata["skipped"].append(f"{file}: {image}")
                continue
            stored.add(labels[file])
            example = {"image": image.encoded, "label": labels[file], "file": file}
            boxes = self._boxes.get(file, _NO_BOXES)
            if self._boxes:
                example["bbox"] = tfds.features.BBox(*max(boxes.all, key=_area))
            if self._several:
                example["regions"] = [tfds.features.BBox(*box) for box in boxes.regions]
            yield file, example
        if not stored:
            raise UserError(f"{self._layout.root}: no image of {split} is readable")
        lost = [name for name in classes if name not in stored]
        if split == "train" and lost:
            raise UserError(f"{self._layout.root}: no image of class {lost[0]!r} is readable")

    def _tolerant(
        self, read: Callable[[pathlib.Path], _R]
    ) -> Callable[[str], _R | image_files.BadImageError]:
        """What reads a file of the layout and, where bad images are skipped, returns the error."""

        def read_or_return_error(file: str) -> _R | image_files.BadImageError:
            path = self._layout.root / file
            try:
                return read(path)
            except image_files.BadImageError as error:
                if self._skip_bad_images:
                    return image_files.BadImageError(str(error))  # without what caused it
                raise UserError(
                    f"{path} cannot be used: {error} (--on_bad_image=skip leaves such files out)"
                ) from error

        return read_or_return_error

    def _read_boxes(self, csv: pathlib.Path) -> dict[str, "_Boxes"]:
        """Boxes of each file, all checked against their images before anything is stored."""
        boxes = boxes_csv.read(csv, self._layout.files())
        result = {}
        for file, size in _in_threads(self._tolerant(self._reader.size), boxes):
            if not isinstance(size, tuple):
                continue
            fractions = [boxes_csv.relative(b, *size, f"{csv}: {file}") for b in boxes[file]]
            tiny = [boxes_csv.is_tiny(box) for box in boxes[file]]
            regions = [box for box, drop in zip(fractions, tiny, strict=True) if not drop]
            result[file] = _Boxes(fractions, regions)
        return result


def _area(box: tuple[float, ...]) -> float:
    y_min, x_min, y_max, x_max = box
    return (y_max - y_min) * (x_max - x_min)


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

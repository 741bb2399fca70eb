"""TFDS builder of Tiny ImageNet: 200 classes of ImageNet on 64 x 64 pixels, with boxes."""

import os
import zipfile
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

from tnet_tf.inputs.builders import boxes_csv

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"

_ROOT = "tiny-imagenet-200"
_SIDE = 64


class TinyImagenet(tfds.core.GeneratorBasedBuilder):
    """Tiny ImageNet (MGNet, section 4.2), out of Stanford's zip file.

    The file is downloaded, or taken from `<data_dir>/downloads/manual/`; it has to be the
    published one. Labels are the sorted WordNet ids. The images of the test split have no labels
    and are left out.
    """

    VERSION = tfds.core.Version("1.0.0")

    # Size and SHA-256 that TFDS compares, and the file's name in the folder `manual`.
    url_infos: ClassVar[dict[str, UrlInfo]] = {
        URL: UrlInfo(
            size=248100043,
            checksum="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            filename="tiny-imagenet-200.zip",
        )
    }

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(_SIDE, _SIDE, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(),  # named in `_split_generators`
            "bbox": tfds.features.BBoxFeature(),
            "file": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="200 classes of ImageNet on 64 x 64 pixels.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage="http://cs231n.stanford.edu/",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        path = os.fspath(dl_manager.download(URL))
        with zipfile.ZipFile(path) as archive:
            wnids = archive.read(f"{_ROOT}/wnids.txt").decode().split()
        self.info.features["label"].names = sorted(wnids)
        return {
            "train": self._generate_examples(path, "train"),
            "validation": self._generate_examples(path, "val"),
        }

    def _generate_examples(self, path: str, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        with zipfile.ZipFile(path) as archive:
            for file, wnid, corners in _images(archive, folder):
                x_min, y_min, x_max, y_max = map(float, corners)
                # The last pixel's number is written, 63 at most; the box ends behind that pixel.
                pixels = (x_min, y_min, x_max + 1, y_max + 1)
                box = boxes_csv.relative(pixels, _SIDE, _SIDE, f"{path}: {file}")
                example = {
                    "image": archive.read(f"{_ROOT}/{file}"),
                    "label": wnid,
                    "bbox": tfds.features.BBox(*box),
                    "file": file,
                }
                yield file, example


def _images(archive: zipfile.ZipFile, folder: str) -> Iterator[tuple[str, str, list[str]]]:
    """File, WordNet id and x_min, y_min, x_max, y_max of the images in `train` or `val`."""
    if folder == "val":
        for file, wnid, *corners in _rows(archive, "val/val_annotations.txt"):
            yield f"val/images/{file}", wnid, corners
        return
    for wnid in archive.read(f"{_ROOT}/wnids.txt").decode().split():
        for file, *corners in _rows(archive, f"train/{wnid}/{wnid}_boxes.txt"):
            yield f"train/{wnid}/images/{file}", wnid, corners


def _rows(archive: zipfile.ZipFile, name: str) -> Iterator[list[str]]:
    for line in archive.read(f"{_ROOT}/{name}").decode().splitlines():
        yield line.split("\t")

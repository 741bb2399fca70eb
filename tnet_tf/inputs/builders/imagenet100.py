"""TFDS builder of the first 100 classes of ImageNet."""

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.imagenet2012 import imagenet2012_dataset_builder, imagenet_common

from tnet_tf.errors import UserError

ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")


def classes() -> list[str]:
    """The WordNet ids of labels 0 to 99 of TFDS's `imagenet2012`.

    >>> classes()[0], classes()[99]
    ('n01440764', 'n01855672')
    """
    names = pathlib.Path(imagenet_common.label_names_file()).read_text(encoding="utf-8")
    return names.split()[:100]


class Imagenet100(imagenet2012_dataset_builder.Builder):
    """The examples of TFDS's `imagenet2012` that are of the first 100 classes (MGNet, section 4.1).

    They come from the same two archives, put by hand into `<data_dir>/downloads/manual/`, and have
    the same labels. The archives of other classes are not read. The version is `imagenet2012`'s,
    since its corrections of single images depend on it.
    """

    name = "imagenet100"

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=classes()),
            "file_name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="The first 100 classes of ImageNet (ILSVRC 2012).",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage="https://image-net.org/",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> list[Any]:
        folder = pathlib.Path(dl_manager.manual_dir)
        missing = [name for name in ARCHIVES if not (folder / name).exists()]
        if missing:
            raise UserError(
                f"--dataset={self.name} is prepared from {' and '.join(ARCHIVES)} of image-net.org "
                f"in {folder}; {' and '.join(missing)} is not there"
            )
        # Images of the test archive, if that is there too, have no labels.
        splits = super()._split_generators(dl_manager)
        return [split for split in splits if split.name in ("train", "validation")]

    def _generate_examples(
        self, archive: Iterable[tuple[str, Any]], validation_labels: dict[str, str] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        kept = set(classes())

        def wnid(file: str) -> str:
            # The training archive has an archive for each class.
            return validation_labels[file] if validation_labels else file.removesuffix(".tar")

        chosen = ((file, content) for file, content in archive if wnid(file) in kept)
        return super()._generate_examples(chosen, validation_labels)

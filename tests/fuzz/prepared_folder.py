"""A folder of images as prepare takes it: what is printed, left behind, stored and skipped."""

import collections
import contextlib
import io
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from tests.commands import exit_code, the_error
from tnet_tf import prepare
from tnet_tf.config import DataConfig
from tnet_tf.flags import read_config
from tnet_tf.inputs import catalog, names, pipeline, records
from tnet_tf.inputs.builders import image_files
from tnet_tf.inputs.dataset import Dataset

# All that the command prints on a folder.
_PRINTED = re.compile(
    r"skipped .*: .+|skipped \d+ images in all|ignored \d+ .*|folder/\w+: .*|splits: .*"
    r"|\d+ classes: .*|boxes: .*|\d+ boxes of .*|Downloading and preparing .*|Dataset folder .*"
)
_TOLD = re.compile(r"error: .+|warning: .+|(Generating|Shuffling|checking|looking through) .*|")


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: list[str]
    error: str
    """Its one line, where it failed; else ''."""


class PreparedFolder:
    """A folder of images, and what prepare makes of it.

    Args:
      place: an empty folder for the images and the records.
      settings: flags besides those of folders.
    """

    def __init__(self, place: pathlib.Path, *settings: str):
        self.root, self._place = place / "images", place
        self._settings = settings

    def answer(self, on_bad_image: str) -> Answer:
        """Prepares the folder as a user would; checks all that is printed and left behind.

        Raises:
          AssertionError: another exit code than 0 and 2, other lines than those of the command,
            something half-written.
        """
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = exit_code(prepare.main, *self._flags(on_bad_image))
        printed = [_shown(line) for line in err.getvalue().split("\n")]
        assert code in (0, 2), (code, printed)
        strange = [line for line in out.getvalue().splitlines() if not _PRINTED.fullmatch(line)]
        strange += [line for line in printed if not _TOLD.fullmatch(line)]
        assert not strange, strange
        # Not TFDS's own folder `downloads`, which is common to all datasets.
        prepared = "folder/fuzz/*" if code == 0 else "folder"
        left = sorted(path.name for path in self._records(on_bad_image).glob(prepared))
        assert left == (["1.0.0"] if code == 0 else []), left
        return Answer(code, out.getvalue().splitlines(), the_error(err.getvalue()) if code else "")

    def stored(self) -> Iterator[str]:
        """The files that are stored where bad images are skipped, each decoded as in training.

        Raises:
          AssertionError: an image is of another size or class than its file, or is there twice.
        """
        config = read_config(*self._flags("skip"))
        dataset = catalog.open_dataset(config.data)
        real = collections.Counter[str]()
        for split in dataset.builder.info.splits:
            for file, shape, label in _decoded(dataset, split):
                place = [split, dataset.classes[label]] if self._has_splits() else []
                assert file.split("/")[: len(place)] == place, (file, place)
                assert shape == _expected_shape(self.root / file, config.data), (file, shape)
                real[os.path.realpath(self.root / file)] += 1
                yield file
        assert not real or max(real.values()) == 1, real.most_common(3)

    def skipped(self) -> list[str]:
        """What was skipped, as it is told."""
        config = read_config(*self._flags("skip"))
        return catalog.open_dataset(config.data).builder.info.metadata["skipped"]

    def _has_splits(self) -> bool:
        return (self.root / "train").is_dir()

    def _records(self, on_bad_image: str) -> pathlib.Path:
        return self._place / on_bad_image

    def _flags(self, on_bad_image: str) -> list[str]:
        return [
            "--dataset=folder/fuzz",
            f"--folder={self.root}",
            f"--data_dir={self._records(on_bad_image)}",
            f"--on_bad_image={on_bad_image}",
            *self._settings,
        ]


def _shown(line: str) -> str:
    """What is left of a line that progress bars have written over."""
    return line.replace("\x1b[A", "").rpartition("\r")[2].strip()


def _decoded(dataset: Dataset, split: str) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Name, shape and label of all images of a split, by the function that training maps."""

    def shape_and_label(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label, _ = dataset.parse(record)
        return tf.shape(image), label

    images = records.in_order(dataset.shards(split)).map(shape_and_label)
    with pipeline.record_errors(dataset):
        for file, (shape, label) in zip(
            names.image_names(dataset, split), images.as_numpy_iterator(), strict=True
        ):
            yield file, tuple(shape.tolist()), int(label)


def _expected_shape(path: pathlib.Path, data: DataConfig) -> tuple[int, ...]:
    sides = image_files.Reader().size(path)
    scale = min(1, data.max_shorter_side / min(sides)) if data.max_shorter_side else 1
    return (*(max(1, round(side * scale)) for side in sides), 3)

"""The folder of a prepared dataset: what describes its records, checked file by file.

dataset_info.json    name, version, splits and how many records each file of them has
features.json        what a record holds
*.labels.txt         names of the classes, where they have any
metadata.json        where the records come from, in datasets of ours
"""

import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from tnet_tf.inputs.records import check_readable, damaged

INFO, FEATURES, METADATA = "dataset_info.json", "features.json", "metadata.json"

_T = TypeVar("_T")


def open_folder(
    path: pathlib.Path,
    name: str,
    named_classes: bool = False,
    metadata: Mapping[str, type] | None = None,
) -> tfds.core.DatasetBuilder:
    """Opens the folder of a prepared dataset; what is on disk describes it, no code.

    Args:
      path: of the folder; its name is the version.
      name: of the dataset.
      named_classes: whether there must be names of the classes.
      metadata: what must be in `metadata.json`, and of which type; None: there may be none.

    Raises:
      UserError: names the file that is missing, can't be read, or does not fit the others.
    """
    _check_info(path, name)
    content = _json(path / FEATURES)
    features = _understood(
        path / FEATURES, lambda: tfds.features.FeatureConnector.from_json(content)
    )
    if not isinstance(features, tfds.features.FeaturesDict):
        raise damaged(path / FEATURES, "does not describe records of named features")
    for key, feature in features.items():
        if isinstance(feature, tfds.features.ClassLabel):
            _check_names(path / f"{key}.labels.txt", feature, needed=named_classes)
    _check_metadata(path / METADATA, metadata)
    builder = _understood(path / INFO, lambda: tfds.builder_from_directory(path))
    _check_splits(path, builder)
    return builder


def check_no_pipes(folder: pathlib.Path) -> None:
    """Checks that below a folder of records there is nothing that waits for ever when opened.

    Raises:
      UserError: names what is neither a file nor a folder: a pipe, a device.
    """
    for path in folder.rglob("*"):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise damaged(path, "is not a file")


def _understood(path: pathlib.Path, read: Callable[[], _T]) -> _T:
    """What `read` makes of a file that TFDS may not understand."""
    try:
        return read()
    except Exception as error:  # TFDS raises what it likes for what it can't read
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise damaged(path, f"can't be used: {reason}") from error


def _json(path: pathlib.Path) -> dict[str, Any]:
    check_readable(path)
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"is no JSON in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise damaged(path, "holds no JSON object")
    return content


def _check_info(path: pathlib.Path, name: str) -> None:
    info = _json(path / INFO)
    for key, expected in (("name", name), ("version", path.name)):
        if info.get(key) != expected:
            raise damaged(path / INFO, f"has the {key} {info.get(key)!r} and not {expected!r}")
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        raise damaged(path / INFO, f"has the format {info['fileFormat']!r}; only tfrecord is read")


def _check_names(path: pathlib.Path, feature: tfds.features.ClassLabel, needed: bool) -> None:
    """Checks a file of class names. TFDS itself goes on without one that it can't read."""
    if not needed and not os.path.lexists(path):
        return
    check_readable(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"is no text in UTF-8: {error}") from error
    if not text.endswith("\n"):
        raise damaged(path, "is cut off: its last line has no end")
    key = path.name.removesuffix(".labels.txt")
    _understood(path, lambda: feature.load_metadata(path.parent, feature_name=key))


def _check_metadata(file: pathlib.Path, expected: Mapping[str, type] | None) -> None:
    if expected is None and not os.path.lexists(file):
        return
    content = _json(file)
    for key, kind in (expected or {}).items():
        if not isinstance(content.get(key), kind):
            raise damaged(file, f"has no {key!r} that is a {kind.__name__}")


def _check_splits(path: pathlib.Path, builder: tfds.core.DatasetBuilder) -> None:
    file, splits = path / INFO, builder.info.splits
    if not splits:
        raise damaged(file, "describes no splits")
    for name, split in splits.items():
        if min(split.shard_lengths, default=-1) < 0:
            raise damaged(file, f"has no numbers of records for the files of split {name!r}")
        _understood(file, lambda split=split: split.filepaths)  # type: ignore[misc]

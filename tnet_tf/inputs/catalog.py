"""Names of datasets to datasets; the place to make a new source of data known."""

import contextlib
import pathlib
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import record_folder, records
from tnet_tf.inputs.builders.digit_scenes import DigitScenes, Scenes
from tnet_tf.inputs.builders.image_files import without_pillows_warnings
from tnet_tf.inputs.builders.image_folder import ImageFolder
from tnet_tf.inputs.builders.imagenet100 import Imagenet100
from tnet_tf.inputs.builders.tiny_imagenet import TinyImagenet
from tnet_tf.inputs.dataset import Dataset
from tnet_tf.inputs.description import describe, warn_of_overlap
from tnet_tf.inputs.folder_source import FolderSource
from tnet_tf.inputs.source import Source, UnknownDatasetError
from tnet_tf.locking import locked

# Datasets that this package makes, and those of TFDS whose splits can't be told by their names.
SOURCES: dict[str, Source] = {
    "digit_scenes": Source(DigitScenes, public=False, dataset=Scenes, metadata={}),
    "folder": FolderSource(
        ImageFolder, public=False, metadata={"source": dict, "skipped": list, "ignored": int}
    ),
    "imagenet100": Source(Imagenet100),
    # The labels of the test split are not public.
    "imagenet2012": Source(splits=("train", "validation", "validation")),
    "tiny_imagenet": Source(TinyImagenet),
}
# Of all other datasets of TFDS.
_OF_TFDS = Source()


def open_dataset(data: DataConfig) -> Dataset:
    """Opens a prepared dataset.

    Args:
      data: name, folder of the records, and the splits where they are not the dataset's own.

    Raises:
      UserError: the dataset is unknown, not prepared or damaged; a split is missing or empty; a
        feature that is needed does not exist. One line that says what to do.
    """
    name, path = _place(data)
    if not path.exists():
        raise UserError(f"{data.dataset} is not prepared; run: {prepare_command(data)}")
    # What is on disk decides, not what the code would prepare today.
    source = SOURCES.get(name, _OF_TFDS)
    builder = record_folder.open_folder(path, name, source.builder is not None, source.metadata)
    dataset = describe(builder, data, source.splits, source.dataset)
    if dataset.outdated():
        raise UserError(f"{path} {dataset.outdated()}; delete it and run: {prepare_command(data)}")
    for split in dict.fromkeys(b for s in dataset.splits for b in dataset.base_splits(s)):
        records.check_shards(builder.info.splits[split])
    dataset.check_features()
    warn_of_overlap(dataset)
    return dataset


@without_pillows_warnings()
def prepare_dataset(data: DataConfig, least_image_side: int = 1) -> Dataset:
    """Writes a dataset's records, unless they exist, and opens it.

    Args:
      data: name, folder of the records, and for `folder/NAME` where the images and boxes are.
      least_image_side: in pixels; smaller images of `folder/NAME` count as bad ones.

    Raises:
      UserError: the dataset is unknown, cannot be downloaded, or its source is not as it should be;
        nothing is left then. Or it is prepared already, but from other files or settings.
    """
    source = _source(data)
    source.check_settings(data)
    if is_prepared(data):
        source.check_unchanged(data)
        return open_dataset(data)
    builder = source.make(data, least_image_side)
    if source.public:
        _check_reachable(builder, data)
    try:
        with _only_one(data):
            if is_prepared(data):  # By another process, meanwhile.
                source.check_unchanged(data)
            builder.download_and_prepare(file_format="tfrecord")
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:  # downloads, manual steps and disks fail in ways of their own
        if isinstance(error, (OSError, tf.errors.OpError)) or source.public:
            raise UserError(
                f"--dataset={data.dataset} could not be prepared in {data.data_dir}: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
            ) from error
        raise
    return open_dataset(data)


def is_prepared(data: DataConfig) -> bool:
    """Whether the records of a dataset exist."""
    return _place(data)[1].exists()


def prepare_command(data: DataConfig) -> str:
    """The command that prepares a dataset."""
    command = f"python -m tnet_tf.prepare --dataset={data.dataset}"
    if data.data_dir != DataConfig().data_dir:
        command += f" --data_dir={data.data_dir}"
    return command + _source(data).flags(data)


@contextlib.contextmanager
def _only_one(data: DataConfig) -> Iterator[None]:
    """Keeps others from preparing the same meanwhile, and clears up after one that was killed."""
    name, path = _place(data)
    busy = f"{data.dataset} is being prepared in {data.data_dir} by another process"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(path.with_name(f"unfinished-{path.name}"), busy) as left_behind:
            # TFDS writes into such folders and moves them in the end.
            for folder in path.parent.glob(f"incomplete.*_{path.name}") if left_behind else ():
                print(f"removing {folder}, which a killed process has left", flush=True)
                shutil.rmtree(folder)
            yield
    finally:
        with contextlib.suppress(OSError):  # A folder that holds something stays.
            for folder in path.parents:
                folder.rmdir()
                if folder.name == name:
                    break


def _source(data: DataConfig) -> Source:
    return SOURCES.get(data.dataset.partition("/")[0], _OF_TFDS)


def _place(data: DataConfig) -> tuple[str, pathlib.Path]:
    """A dataset's own name, and the folder of its records, whether it exists or not."""
    try:
        return _source(data).place(data)
    except UnknownDatasetError as error:
        ours = [source.form(name) for name, source in SOURCES.items() if source.builder]
        raise UserError(
            f"--dataset={data.dataset} is unknown: give {', '.join(ours)} or the name of a TFDS "
            f"dataset ({error})"
        ) from error


def _check_reachable(builder: tfds.core.DatasetBuilder, data: DataConfig) -> None:
    """Fails at once where TFDS would try again for minutes: no network, nothing downloaded yet."""
    downloads = pathlib.Path(data.data_dir, "downloads")
    manual = downloads / "manual"
    infos = builder.url_infos or {}
    files = [info.filename for info in infos.values() if info.filename]
    there = any(
        path.is_file() and (path.parent != manual or path.name in files)
        for path in downloads.rglob("*")
    )
    by_hand = builder.MANUAL_DOWNLOAD_INSTRUCTIONS is not None  # TFDS then says what to fetch
    if by_hand or urllib.request.getproxies() or there:
        return
    more = f" and {len(files) - 4} more" if files[4:] else ""
    instead = f"; or put {', '.join(files[:4])}{more} into {manual}" if files else ""
    for host in sorted({urlsplit(url).hostname or "" for url in infos}):
        try:
            socket.getaddrinfo(host, None)
        except OSError as error:
            raise UserError(
                f"--dataset={data.dataset} is downloaded from {host}, which cannot be reached: "
                f"{error}{instead}"
            ) from error

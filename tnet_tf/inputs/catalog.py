"""Names of datasets to datasets; the place to make a new source of data known."""

import contextlib
import pathlib
import re
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import digit_scenes, record_folder, records

# TFDS knows these two by their names from their definition on.
from tnet_tf.inputs.builders import imagenet100, tiny_imagenet  # noqa: F401
from tnet_tf.inputs.builders.digit_scenes import DigitScenes
from tnet_tf.inputs.builders.image_files import Limits, without_pillows_warnings
from tnet_tf.inputs.builders.image_folder import ImageFolder
from tnet_tf.inputs.dataset import Dataset, describe, warn_of_overlap
from tnet_tf.locking import locked

# Settings that only `folder/NAME` is prepared by.
_FOLDER_SETTINGS = ("folder", "boxes_csv", "max_shorter_side", "max_pixels", "on_bad_image")

__all__ = ["Dataset", "is_prepared", "open_dataset", "prepare_command", "prepare_dataset"]


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
    builder = record_folder.open_folder(path, name)
    dataset = describe(builder, data)
    if dataset.scene_size is not None and dict(builder.info.metadata) != digit_scenes.settings():
        raise UserError(
            f"{path} holds scenes composed with other settings; delete it and run: "
            f"{prepare_command(data)}"
        )
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
    _check_folder_settings(data)
    if is_prepared(data):
        _check_source_unchanged(data)
        return open_dataset(data)
    builder = _builder(data, least_image_side)
    if _is_public(data):
        _check_reachable(builder, data)
    try:
        with _only_one(data):
            if is_prepared(data):  # By another process, meanwhile.
                _check_source_unchanged(data)
            builder.download_and_prepare(file_format="tfrecord")
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:  # downloads, manual steps and disks fail in ways of their own
        if isinstance(error, (OSError, tf.errors.OpError)) or _is_public(data):
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
    if data.dataset.startswith("folder/"):
        command += f" --folder={data.folder or 'FOLDER'}"
    return command


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


def _check_folder_settings(data: DataConfig) -> None:
    if _name(data)[0] == "folder":
        return
    for name in _FOLDER_SETTINGS:
        value = getattr(data, name)
        if value != getattr(DataConfig(), name):
            raise UserError(
                f"--{name}={value} is for a folder of images, not for --dataset={data.dataset}; "
                "give --dataset=folder/NAME, with a name for the folder's records"
            )


def _name(data: DataConfig) -> tuple[str, str]:
    source, slash, configuration = data.dataset.partition("/")
    if source == "folder" and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", configuration):
        raise UserError(
            f"--dataset={data.dataset}: give the folder's records a name of letters, digits, '_', "
            "'-' and '.', for example folder/clothing"
        )
    if slash and not configuration:
        raise UserError(f"--dataset={data.dataset} ends with '/'; leave that out")
    return source, configuration


def _is_public(data: DataConfig) -> bool:
    return _name(data)[0] not in ("digit_scenes", "folder")


def _place(data: DataConfig) -> tuple[str, pathlib.Path]:
    """A dataset's own name, and the folder of its records, whether it exists or not."""
    source, configuration = _name(data)
    if source == "folder":
        version = str(ImageFolder.VERSION)
        return source, pathlib.Path(data.data_dir, source, configuration, version)
    # TFDS reads what describes prepared records as soon as it makes the builder.
    folder = source.partition(":")[0]
    if re.fullmatch(r"\w+", folder):  # Others, such as '..', would be anywhere.
        record_folder.check_no_pipes(pathlib.Path(data.data_dir, folder))
    builder = _builder(data)
    return builder.name, pathlib.Path(builder.data_path)


def _builder(data: DataConfig, least_image_side: int = 1) -> tfds.core.DatasetBuilder:
    """The TFDS builder that prepares a dataset."""
    source, configuration = _name(data)
    if source == "digit_scenes":
        return DigitScenes(configuration, data_dir=data.data_dir)
    if source == "folder":
        return _folder_builder(data, least_image_side)
    try:
        return tfds.builder(data.dataset, data_dir=data.data_dir, try_gcs=False)
    except Exception as error:  # TFDS raises what it likes for what it doesn't know
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"--dataset={data.dataset} is unknown: give digit_scenes, folder/NAME or the name of a "
            f"TFDS dataset ({reason})"
        ) from error


def _folder_builder(data: DataConfig, least_image_side: int = 1) -> ImageFolder:
    if not data.folder:
        raise UserError(f"--dataset={data.dataset} is prepared from a folder: give --folder")
    return ImageFolder(
        _name(data)[1],
        pathlib.Path(data.folder),
        boxes=pathlib.Path(data.boxes_csv) if data.boxes_csv else None,
        limits=Limits(data.max_pixels, data.max_shorter_side, least_image_side),
        skip_bad_images=data.on_bad_image == "skip",
        data_dir=data.data_dir,
    )


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


def _check_source_unchanged(data: DataConfig) -> None:
    """Compares a prepared folder with what it would be prepared from now, if that is given."""
    if not data.dataset.startswith("folder/"):
        return
    name, path = _place(data)
    before = record_folder.open_folder(path, name).info.metadata["source"]
    if data.folder:
        now = _folder_builder(data).source
    elif data.boxes_csv:
        raise UserError(f"--boxes_csv={data.boxes_csv} has boxes for a folder: give --folder")
    elif data.max_shorter_side:
        now = {**before, "max_shorter_side": data.max_shorter_side}
    else:
        return
    changes = {
        "fingerprint": f"other files ({before.get('files')} images then, {now.get('files')} now)",
        "boxes": "other boxes",
        "max_shorter_side": f"--max_shorter_side={before.get('max_shorter_side')}",
    }
    for name, change in changes.items():
        if before.get(name) != now.get(name):
            raise UserError(
                f"{data.dataset} is prepared already, from {change}; delete {path} to prepare it "
                "again, or give another name"
            )

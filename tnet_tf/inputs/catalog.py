"""Names of datasets to datasets; the place to make a new source of data known."""

import pathlib
import re
import socket
import urllib.request
from urllib.parse import urlsplit

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import digit_scenes, records

# TFDS knows these two by their names from their definition on.
from tnet_tf.inputs.builders import imagenet100, tiny_imagenet  # noqa: F401
from tnet_tf.inputs.builders.digit_scenes import DigitScenes
from tnet_tf.inputs.builders.image_files import Limits
from tnet_tf.inputs.builders.image_folder import ImageFolder
from tnet_tf.inputs.dataset import Dataset, base, describe

__all__ = ["Dataset", "is_prepared", "open_dataset", "prepare_command", "prepare_dataset"]


def open_dataset(data: DataConfig) -> Dataset:
    """Opens a prepared dataset.

    Args:
      data: name, folder of the records, and the splits where they are not the dataset's own.

    Raises:
      UserError: the dataset is unknown, not prepared or damaged; a split is missing or empty; a
        feature that is needed does not exist. One line that says what to do.
    """
    path = _path(data)
    if not path.exists():
        raise UserError(f"{data.dataset} is not prepared; run: {prepare_command(data)}")
    # What is on disk decides, not what the code would prepare today.
    builder = tfds.builder_from_directory(path)
    dataset = describe(builder, data)
    if dataset.scene_size is not None and dict(builder.info.metadata) != digit_scenes.settings():
        raise UserError(
            f"{path} holds scenes composed with other settings; delete it and run: "
            f"{prepare_command(data)}"
        )
    for split in dict.fromkeys(base(part) for s in dataset.splits for part in s.split("+")):
        records.check_shards(builder.info.splits[split])
    return dataset


def prepare_dataset(data: DataConfig, least_image_side: int = 1) -> Dataset:
    """Writes a dataset's records, unless they exist, and opens it.

    Args:
      data: name, folder of the records, and for `folder/NAME` where the images and boxes are.
      least_image_side: in pixels; smaller images of `folder/NAME` count as bad ones.

    Raises:
      UserError: the dataset is unknown, cannot be downloaded, or its source is not as it should be;
        nothing is left then. Or it is prepared already, but from other files or settings.
    """
    if is_prepared(data):
        _check_source_unchanged(data)
        return open_dataset(data)
    builder = _builder(data, least_image_side)
    if _is_public(data):
        _check_reachable(builder, data)
    try:
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
    return _path(data).exists()


def prepare_command(data: DataConfig) -> str:
    """The command that prepares a dataset."""
    command = f"python -m tnet_tf.prepare --dataset={data.dataset}"
    if data.data_dir != DataConfig().data_dir:
        command += f" --data_dir={data.data_dir}"
    if data.dataset.startswith("folder/"):
        command += f" --folder={data.folder or 'FOLDER'}"
    return command


def _name(data: DataConfig) -> tuple[str, str]:
    source, _, configuration = data.dataset.partition("/")
    if source == "folder" and not re.fullmatch(r"[A-Za-z0-9_.-]+", configuration):
        raise UserError(
            f"--dataset={data.dataset}: give the folder's records a name of letters, digits, '_', "
            "'-' and '.', for example folder/clothing"
        )
    return source, configuration


def _is_public(data: DataConfig) -> bool:
    return _name(data)[0] not in ("digit_scenes", "folder")


def _path(data: DataConfig) -> pathlib.Path:
    """The folder of the records, whether it exists or not."""
    source, configuration = _name(data)
    if source == "folder":
        return pathlib.Path(data.data_dir, source, configuration, str(ImageFolder.VERSION))
    return pathlib.Path(_builder(data).data_path)


def _builder(data: DataConfig, least_image_side: int = 1) -> tfds.core.DatasetBuilder:
    """The TFDS builder that prepares a dataset."""
    source, configuration = _name(data)
    if source == "digit_scenes":
        return DigitScenes(configuration, data_dir=data.data_dir)
    if source == "folder":
        return _folder_builder(data, least_image_side)
    try:
        return tfds.builder(data.dataset, data_dir=data.data_dir, try_gcs=False)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        reason = next(iter(str(error).splitlines()), "")
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
    if not data.dataset.startswith("folder/") or not data.folder:
        return
    path = _path(data)
    before, now = (
        tfds.builder_from_directory(path).info.metadata["source"],
        _folder_builder(data).source,
    )
    changes = {
        "fingerprint": f"other files ({before['files']} images then, {now['files']} now)",
        "boxes": "other boxes",
        "max_shorter_side": f"--max_shorter_side={before['max_shorter_side']}",
    }
    for name, change in changes.items():
        if before[name] != now[name]:
            raise UserError(
                f"{data.dataset} is prepared already, from {change}; delete {path} to prepare it "
                "again, or give another name"
            )

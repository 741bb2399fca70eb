"""The source `folder/NAME`: folders of images, prepared under a name of the user's choice."""

import pathlib
import re

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import record_folder
from tnet_tf.inputs.builders.image_files import Limits
from tnet_tf.inputs.builders.image_folder import ImageFolder
from tnet_tf.inputs.source import Source


class FolderSource(Source):
    """Folders of images, see `ImageFolder`."""

    def form(self, name: str) -> str:
        """What --dataset takes, for messages."""
        return f"{name}/NAME"

    def check_settings(self, data: DataConfig) -> None:
        """Does nothing: settings of folders are for this source."""

    def check_unchanged(self, data: DataConfig) -> None:
        """Raises `UserError` where a folder is given, and records are not what it would give."""
        name, path = self.place(data)
        prepared = record_folder.open_folder(path, name, metadata=self.metadata)
        before = prepared.info.metadata["source"]
        if data.folder:
            now = self.make(data).source
        elif data.boxes_csv:
            raise UserError(f"--boxes_csv={data.boxes_csv} has boxes for a folder: give --folder")
        elif data.max_shorter_side:
            now = {**before, "max_shorter_side": data.max_shorter_side}
        else:
            return
        files, files_now = before.get("files"), now.get("files")
        changes = {
            "fingerprint": f"other files ({files} images then, {files_now} now)",
            "boxes": "other boxes",
            "max_shorter_side": f"--max_shorter_side={before.get('max_shorter_side')}",
        }
        for key, change in changes.items():
            if before.get(key) != now.get(key):
                raise UserError(
                    f"{data.dataset} is prepared already, from {change}; delete {path} to prepare "
                    "it again, or give another name"
                )

    def flags(self, data: DataConfig) -> str:
        """The folder, for the command that prepares it."""
        return f" --folder={data.folder or 'FOLDER'}"

    def place(self, data: DataConfig) -> tuple[str, pathlib.Path]:
        """The builder's name, and the folder of the records; needs no --folder."""
        path = pathlib.Path(data.data_dir, ImageFolder.name, _name(data), str(ImageFolder.VERSION))
        return ImageFolder.name, path

    def make(self, data: DataConfig, least_image_side: int = 1) -> ImageFolder:
        """The builder that prepares a folder.

        Args:
          data: --folder and what is to become of its images.
          least_image_side: in pixels; smaller images are bad ones.

        Raises:
          UserError: no folder is given, or it is not as it should be.
        """
        if not data.folder:
            raise UserError(f"--dataset={data.dataset} is prepared from a folder: give --folder")
        return ImageFolder(
            _name(data),
            pathlib.Path(data.folder),
            boxes=pathlib.Path(data.boxes_csv) if data.boxes_csv else None,
            limits=Limits(data.max_pixels, data.max_shorter_side, least_image_side),
            skip_bad_images=data.on_bad_image == "skip",
            data_dir=data.data_dir,
        )


def _name(data: DataConfig) -> str:
    """The name of the folder's records."""
    name = data.dataset.partition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise UserError(
            f"--dataset={data.dataset}: give the folder's records a name of letters, digits, '_', "
            "'-' and '.', for example folder/clothing"
        )
    return name

"""Where datasets come from: how their records are made, where they lie, how they are read."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping

import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.config.setting import Part
from tnet_tf.errors import UserError, first_line
from tnet_tf.inputs import record_folder
from tnet_tf.inputs.dataset import Dataset, Splits


class UnknownDatasetError(Exception):
    """There is no dataset of this name; says why."""


@dataclasses.dataclass(frozen=True)
class Source:
    """What a dataset's records are made by, and what is special about it.

    Attributes:
      builder: a TFDS builder of this package, whose classes have names; None: TFDS has one.
      splits: for training, validation and test; None: told from their names.
      public: whether the builder takes what is published: downloaded, or fetched by hand. Others
        make records of what is on this machine, and take what follows the name as `config`.
      dataset: what prepared records are opened as.
      metadata: what the records' `metadata.json` must have, and of which type; None: there may be
        none.
    """

    builder: type[tfds.core.DatasetBuilder] | None = None
    splits: Splits | None = None
    public: bool = True
    dataset: type[Dataset] = Dataset
    metadata: Mapping[str, type] | None = None

    def form(self, name: str) -> str:
        """What --dataset takes, for messages."""
        return name

    def check_settings(self, data: DataConfig) -> None:
        """Raises `UserError` for settings that a dataset of this source has no use for."""
        for field in dataclasses.fields(data):
            value = getattr(data, field.name)
            if field.metadata["part"] is Part.FOLDER and value != field.default:
                raise UserError(
                    f"--{field.name}={value} is for a folder of images, not for --dataset="
                    f"{data.dataset}; give --dataset=folder/NAME, with a name for the folder's "
                    "records"
                )

    def check_unchanged(self, data: DataConfig) -> None:
        """Raises `UserError` where prepared records are of other things than settings name now."""

    def flags(self, data: DataConfig) -> str:
        """What the command that prepares a dataset needs besides its name and --data_dir."""
        return ""

    def place(self, data: DataConfig) -> tuple[str, pathlib.Path]:
        """The builder's name, and the folder of a dataset's records, whether it exists or not.

        Raises:
          UserError: the dataset's name can't be read, or its folder holds what can't be.
          UnknownDatasetError: see `make`.
        """
        # TFDS reads what describes prepared records as soon as it makes the builder.
        name = data.dataset.partition("/")[0].partition(":")[0]
        if re.fullmatch(r"\w+", name):  # Others, such as '..', would be anywhere.
            record_folder.check_no_pipes(pathlib.Path(data.data_dir, name))
        builder = self.make(data)
        return builder.name, pathlib.Path(builder.data_path)

    def make(self, data: DataConfig, least_image_side: int = 1) -> tfds.core.DatasetBuilder:
        """The TFDS builder that prepares a dataset.

        Args:
          data: its name and configuration, and --data_dir.
          least_image_side: in pixels; smaller images of a folder are bad ones.

        Raises:
          UserError: the configuration can't be read.
          UnknownDatasetError: TFDS has no such dataset, or none of this configuration.
        """
        _, slash, configuration = data.dataset.partition("/")
        if slash and not configuration:
            raise UserError(f"--dataset={data.dataset} ends with '/'; leave that out")
        try:
            if self.builder is None or self.public:
                return tfds.builder(data.dataset, data_dir=data.data_dir, try_gcs=False)
            return self.builder(config=configuration or None, data_dir=data.data_dir)
        except UserError:
            raise
        except Exception as error:  # TFDS raises what it likes for what it doesn't know
            raise UnknownDatasetError(first_line(error).partition(". ")[0]) from error

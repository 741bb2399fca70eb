"""A folder of images that is prepared for one test."""

from tests.inputs.images import make_folder
from tnet_tf.config import DataConfig
from tnet_tf.inputs import catalog


def prepare(tmp_path, splits, **settings):
    """Makes a folder of so many images per split and class, and prepares it as `folder/mine`."""
    make_folder(tmp_path / "images", splits)
    return catalog.prepare_dataset(folder(tmp_path, **settings))


def folder(tmp_path, **settings):
    """Settings that prepare and open this folder."""
    return DataConfig(
        dataset="folder/mine",
        data_dir=str(tmp_path / "records"),
        folder=str(tmp_path / "images"),
        **settings,
    )

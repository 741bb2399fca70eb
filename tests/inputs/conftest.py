"""Datasets prepared once for all tests of inputs."""

import pytest

from tests.inputs.images import make_folder
from tnet_tf.config import DataConfig
from tnet_tf.inputs import catalog


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Settings of prepared digit scenes, small ones."""
    data = DataConfig(
        dataset="digit_scenes/80x120",
        data_dir=str(tmp_path_factory.mktemp("scenes")),
        image_size=(80, 120),
        shuffle_buffer=500,
    )
    catalog.prepare_dataset(data)
    return data


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Settings of a prepared folder: 14 images to train on, 4 to validate, 6 to test."""
    root = tmp_path_factory.mktemp("photos")
    make_folder(root / "images", {"train": 7, "val": 2, "test": 3})
    data = DataConfig(
        dataset="folder/photos",
        data_dir=str(root / "records"),
        folder=str(root / "images"),
        image_size=(8, 10),
    )
    catalog.prepare_dataset(data)
    return data


@pytest.fixture(scope="session")
def public(tmp_path_factory):
    """Settings of a prepared TFDS dataset, `SmallImages`."""
    data = DataConfig(dataset="small_images", data_dir=str(tmp_path_factory.mktemp("public")))
    catalog.prepare_dataset(data)
    return data

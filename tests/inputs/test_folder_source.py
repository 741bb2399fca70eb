import dataclasses

import pytest

from tests.inputs.folders import folder, prepare
from tests.inputs.images import noise
from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog


def test_a_folder_is_needed_to_prepare_one(tmp_path):
    with pytest.raises(UserError, match="give --folder"):
        catalog.prepare_dataset(DataConfig(dataset="folder/mine", data_dir=str(tmp_path)))


def test_boxes_without_their_folder_are_refused(photos):
    data = dataclasses.replace(photos, folder="", boxes_csv="boxes.csv")
    with pytest.raises(UserError, match=r"--boxes_csv=boxes\.csv .* give --folder"):
        catalog.prepare_dataset(data)


def test_preparing_again_changes_nothing(photos):
    before = catalog.open_dataset(photos).builder.data_path.stat().mtime
    assert catalog.prepare_dataset(photos).classes == ("cat", "dog")
    without_folder = dataclasses.replace(photos, folder="")
    assert catalog.prepare_dataset(without_folder).classes == ("cat", "dog")
    assert catalog.open_dataset(photos).builder.data_path.stat().mtime == before


def test_preparing_from_a_changed_folder_is_told(tmp_path):
    prepare(tmp_path, {"train": 5})
    noise().save(tmp_path / "images/train/cat/new.png")
    with pytest.raises(UserError, match=r"from other files .10 images then, 11 now.; delete"):
        catalog.prepare_dataset(folder(tmp_path))


def test_preparing_with_other_settings_is_told(tmp_path):
    prepare(tmp_path, {"train": 5}, max_shorter_side=10)
    with pytest.raises(UserError, match="prepared already, from --max_shorter_side=10"):
        catalog.prepare_dataset(folder(tmp_path))

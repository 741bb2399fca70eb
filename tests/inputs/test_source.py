import dataclasses
import os

import pytest

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog


@pytest.mark.parametrize(
    "name, message",
    [
        ("no_such_dataset", "--dataset=no_such_dataset is unknown"),
        ("mnist/no_such_config", "--dataset=mnist/no_such_config is unknown"),
        ("", "--dataset= is unknown"),
        ("folder", "give the folder's records a name"),
        ("folder/a/b", "give the folder's records a name"),
        ("folder/", "give the folder's records a name"),
        ("folder/.", "give the folder's records a name"),
        ("folder/..", "give the folder's records a name"),
        ("folder/../mine", "give the folder's records a name"),
        ("folder//mine", "give the folder's records a name"),
        ("folder/" + 101 * "a", "give the folder's records a name"),
        ("/etc/passwd", "--dataset=/etc/passwd is unknown"),
        ("../records", "--dataset=../records is unknown"),
        ("huggingface:mnist", "--dataset=huggingface:mnist is unknown"),
        ("digit_scenes/", "--dataset=digit_scenes/ ends with '/'"),
        ("digit_scenes/big", "digit_scenes/big"),
    ],
)
def test_unknown_names_are_told(tmp_path, name, message):
    (tmp_path / "records").mkdir()
    for elsewhere in (tmp_path, tmp_path / "records"):  # No name leads there.
        os.mkfifo(elsewhere / "pipe")
    with pytest.raises(UserError, match=message):
        catalog.open_dataset(DataConfig(dataset=name, data_dir=str(tmp_path / "records")))


@pytest.mark.parametrize(
    "setting",
    ["--folder=here", "--boxes_csv=a.csv", "--max_shorter_side=9", "--max_pixels=9"],
)
def test_settings_of_folders_are_refused_for_other_datasets(scenes, setting):
    name, value = setting.removeprefix("--").split("=")
    data = dataclasses.replace(scenes, **{name: int(value) if value.isdigit() else value})
    with pytest.raises(UserError, match=f"{setting} is for a folder .*give --dataset=folder/NAME"):
        catalog.prepare_dataset(data)

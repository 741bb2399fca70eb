import dataclasses

import pytest

from tests.inputs.folders import prepare
from tnet_tf.config import DataConfig
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs import catalog


def test_digit_scenes_are_described(scenes):
    dataset = catalog.open_dataset(scenes)
    assert dataset.classes == tuple("0123456789")
    assert dataset.has_boxes
    assert dataset.splits == ("train", "validation", "test")
    assert dataset.scene_size == (80, 120)
    assert dataset.composes("train[:50%]")
    assert not dataset.composes("test")


@pytest.mark.parametrize(
    "folders, splits",
    [
        (("train", "validation", "test"), ("train", "validation", "test")),
        (("train", "val"), ("train", "val", "val")),
        (("train", "valid", "test"), ("train", "valid", "test")),
        (("train", "test"), ("train", "test", "test")),
        (("train",), ("train[:80%]", "train[80%:90%]", "train[90%:]")),
        (("",), ("train[:80%]", "train[80%:90%]", "train[90%:]")),
    ],
)
def test_a_folders_splits_are_what_it_has(tmp_path, folders, splits):
    dataset = prepare(tmp_path, dict.fromkeys(folders, 5))
    assert dataset.splits == splits
    assert dataset.classes == ("cat", "dog")
    assert not dataset.has_boxes


def test_flags_choose_other_splits(photos):
    data = dataclasses.replace(photos, train_split="train[:75%]", test_split="train[75%:]+val")
    dataset = catalog.open_dataset(data)
    assert dataset.splits == ("train[:75%]", "val", "train[75%:]+val")


@pytest.mark.parametrize(
    "flag, split, message",
    [
        ("train_split", "training", "no split 'training', only test, train, val"),
        ("test_split", "train[5:5]", "is empty"),
        ("train_split", "train[50%:20%]", "is empty"),
        ("validation_split", "train[", "no split 'train\\['"),
        ("test_split", "test[:5", "no split"),
    ],
)
def test_splits_that_are_not_there_are_told_with_their_flag(photos, flag, split, message):
    with pytest.raises(UserError, match=message) as error:
        catalog.open_dataset(dataclasses.replace(photos, **{flag: split}))
    assert f"--{flag}={split}" in str(error.value)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"test_split": "train[:50%]"}, "--test_split=train.:50%. share 7 examples"),
        (
            {"validation_split": "val+train[:3]"},
            "--validation_split=val.train.:3. share 3 examples",
        ),
        (
            {"train_split": "train+test"},
            "--train_split=train.test and --test_split=test share 6 examples",
        ),
    ],
)
def test_evaluating_what_is_trained_on_is_told(photos, settings, message):
    with pytest.warns(DoubtfulSettings, match=message):
        catalog.open_dataset(dataclasses.replace(photos, **settings))


def test_validating_on_the_test_split_is_common_and_not_told(photos):
    dataset = catalog.open_dataset(dataclasses.replace(photos, validation_split="test"))
    assert dataset.validation_split == dataset.test_split


def test_digits_and_scenes_are_not_mixed(scenes):
    with pytest.raises(UserError, match="--train_split=train\\+test"):
        catalog.open_dataset(dataclasses.replace(scenes, train_split="train+test"))
    with pytest.raises(UserError, match="--test_split=all: digits and scenes"):
        catalog.open_dataset(dataclasses.replace(scenes, test_split="all"))


def test_datasets_without_images_are_told(tmp_path):
    with pytest.raises(UserError, match="has no image among its features"):
        catalog.prepare_dataset(DataConfig(dataset="sounds", data_dir=str(tmp_path)))


def test_datasets_of_float_images_are_told(tmp_path):
    with pytest.raises(UserError, match=r"images of depth_maps/1\.0\.0 are floats, as depth maps"):
        catalog.prepare_dataset(DataConfig(dataset="depth_maps", data_dir=str(tmp_path)))


def test_boxes_are_needed_to_crop_to_them(photos):
    with pytest.raises(UserError, match="--crop_to_box needs bounding boxes"):
        catalog.open_dataset(dataclasses.replace(photos, crop_to_box=True))

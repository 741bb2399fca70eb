import dataclasses
import os
import pathlib
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.inputs.images import make_folder, noise
from tnet_tf.config import DataConfig
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs import catalog, digit_scenes, pipeline, records
from tnet_tf.inputs.dataset import Dataset
from tnet_tf.inputs.source import Source
from tnet_tf.locking import locked


def prepare(tmp_path, splits, **settings):
    make_folder(tmp_path / "images", splits)
    data = folder(tmp_path, **settings)
    return catalog.prepare_dataset(data)


def folder(tmp_path, **settings):
    return DataConfig(
        dataset="folder/mine",
        data_dir=str(tmp_path / "records"),
        folder=str(tmp_path / "images"),
        **settings,
    )


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


def test_labels_of_no_class_are_told(photos):
    dataset = catalog.open_dataset(photos)
    fewer = dataclasses.replace(dataset, classes=("cat",))
    with pytest.raises(UserError, match=r"is damaged: .*only 1 classes"):
        read(fewer)
    read(dataset)


def read(dataset):
    """Reads all that is trained on."""
    shards = dataset.shards(dataset.train_split)
    with records.damaged_records(shards, dataset.parse):
        return list(records.in_order(shards).map(dataset.parse))


def test_digits_and_scenes_are_not_mixed(scenes):
    with pytest.raises(UserError, match="--train_split=train\\+test"):
        catalog.open_dataset(dataclasses.replace(scenes, train_split="train+test"))
    with pytest.raises(UserError, match="--test_split=all: digits and scenes"):
        catalog.open_dataset(dataclasses.replace(scenes, test_split="all"))


@pytest.mark.parametrize(
    "name, command",
    [
        ("digit_scenes", "--dataset=digit_scenes"),
        ("digit_scenes/96x96", "--dataset=digit_scenes/96x96"),
        ("folder/mine", "--dataset=folder/mine .*--folder=FOLDER"),
        ("mnist", "--dataset=mnist"),
    ],
)
def test_what_is_not_prepared_is_told_with_the_command(tmp_path, name, command):
    data = DataConfig(dataset=name, data_dir=str(tmp_path))
    assert not catalog.is_prepared(data)
    with pytest.raises(UserError, match=f"is not prepared; run: .*prepare {command}"):
        catalog.open_dataset(data)


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


def test_a_folder_is_needed_to_prepare_one(tmp_path):
    with pytest.raises(UserError, match="give --folder"):
        catalog.prepare_dataset(DataConfig(dataset="folder/mine", data_dir=str(tmp_path)))


@pytest.mark.parametrize(
    "setting",
    ["--folder=here", "--boxes_csv=a.csv", "--max_shorter_side=9", "--max_pixels=9"],
)
def test_settings_of_folders_are_refused_for_other_datasets(scenes, setting):
    name, value = setting.removeprefix("--").split("=")
    data = dataclasses.replace(scenes, **{name: int(value) if value.isdigit() else value})
    with pytest.raises(UserError, match=f"{setting} is for a folder .*give --dataset=folder/NAME"):
        catalog.prepare_dataset(data)


def test_boxes_without_their_folder_are_refused(photos):
    data = dataclasses.replace(photos, folder="", boxes_csv="boxes.csv")
    with pytest.raises(UserError, match=r"--boxes_csv=boxes\.csv .* give --folder"):
        catalog.prepare_dataset(data)


def left_by_a_killed_process(parent):
    """What preparing leaves behind when its process is killed."""
    (parent / "incomplete.ABCDEF_1.0.0").mkdir(parents=True)
    (parent / "incomplete.ABCDEF_1.0.0/folder-train.tfrecord").write_bytes(b"half")
    (parent / "incomplete.ABCDEF_2.0.0").mkdir()
    (parent / "unfinished-1.0.0").write_text("123\n")


def test_what_a_killed_process_left_is_removed(tmp_path, capsys):
    parent = tmp_path / "records/folder/mine"
    left_by_a_killed_process(parent)
    prepare(tmp_path, {"train": 5})
    assert "incomplete.ABCDEF_1.0.0, which a killed process has left" in capsys.readouterr().out
    assert sorted(path.name for path in parent.iterdir()) == ["1.0.0", "incomplete.ABCDEF_2.0.0"]


def test_what_others_are_writing_is_left_alone(tmp_path):
    make_folder(tmp_path / "images", {"train": 5})
    parent = tmp_path / "records/folder/mine"
    left_by_a_killed_process(parent)
    # The file says that a process was killed; but here is one that holds the lock.
    with locked(parent / "unfinished-1.0.0", "busy"):
        with pytest.raises(UserError, match=r"folder/mine is being prepared in .* by another"):
            catalog.prepare_dataset(folder(tmp_path))
        assert len(list(parent.iterdir())) == 3
    catalog.prepare_dataset(folder(tmp_path))
    assert (parent / "incomplete.ABCDEF_1.0.0").exists()


def test_preparing_that_fails_leaves_no_folders(tmp_path):
    make_folder(tmp_path / "images", {"train": 5})
    (tmp_path / "images/train/cat/3.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"3\.png cannot be used"):
        catalog.prepare_dataset(folder(tmp_path))
    assert not (tmp_path / "records/folder").exists()


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


def test_scenes_of_other_settings_are_told(scenes, monkeypatch):
    monkeypatch.setattr(digit_scenes, "FRAGMENTS", 99)
    with pytest.raises(UserError, match="composed with other settings; delete it and run"):
        catalog.open_dataset(scenes)


def train_file(tmp_path):
    return next((tmp_path / "records").rglob("*train.tfrecord*"))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-50]), "is cut off: 9 of its 10"),
    ],
)
def test_damaged_files_are_told_when_opened(tmp_path, spoil, message):
    prepare(tmp_path, {"train": 5})
    path = train_file(tmp_path)
    spoil(path)
    with pytest.raises(UserError, match=message) as error:
        catalog.open_dataset(folder(tmp_path))
    assert str(path) in str(error.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    make_folder(tmp_path / "images", {"train": 1})
    (tmp_path / "records").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="could not be prepared in"):
        catalog.prepare_dataset(folder(tmp_path))


def test_datasets_of_ours_are_told_where_a_name_is_unknown(tmp_path):
    with pytest.raises(UserError) as error:
        catalog.open_dataset(DataConfig(dataset="no_such_dataset", data_dir=str(tmp_path)))
    told = str(error.value)
    assert "--dataset=no_such_dataset is unknown: give digit_scenes, folder/NAME, " in told
    assert "or the name of a TFDS dataset (" in told
    assert all(name in told for name, source in catalog.SOURCES.items() if source.builder)
    assert "imagenet2012" not in told


def test_every_source_has_a_card():
    cards = pathlib.Path(__file__).parents[2] / "data"
    for name in catalog.SOURCES:
        assert f"--dataset={name}" in (cards / name / "README.md").read_text(encoding="utf-8")


class OneColour(tfds.core.GeneratorBasedBuilder):
    """A builder as someone would add one; what follows the name is how many images there are."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=name) for name in ("12", "20")]

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(8, 8, 3)),
            "label": tfds.features.ClassLabel(names=["black", "white"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"images": self._generate_examples()}

    def _generate_examples(self):
        for number in range(int(self.builder_config.name)):
            image = np.full((8, 8, 3), 255 * (number % 2), np.uint8)
            yield number, {"image": image, "label": number % 2}


class Numbered(Dataset):
    """Numbers the records of a split by what it makes of their key."""

    def read(self, split, key, record, region=None):
        image, label, _ = super().read(split, key, record, region)
        return image, label, tf.cast(tf.concat([key, key], axis=0) % 2**20, tf.float32)


@pytest.fixture
def one_colour(monkeypatch, tmp_path):
    """Settings of a dataset that a row of the table makes known."""
    splits = ("images[:8]", "images[8:10]", "images[10:]")
    source = Source(OneColour, splits, public=False, dataset=Numbered)
    monkeypatch.setitem(catalog.SOURCES, "one_colour", source)
    return DataConfig(dataset="one_colour/12", data_dir=str(tmp_path), image_size=(8, 8))


def test_a_row_makes_a_dataset_known(one_colour):
    assert catalog.prepare_dataset(one_colour).splits == (
        "images[:8]",
        "images[8:10]",
        "images[10:]",
    )
    dataset = catalog.open_dataset(one_colour)
    assert dataset.classes == ("black", "white")
    assert dataset.builder.info.splits["images"].num_examples == 12
    with pytest.raises(UserError, match=r"--dataset=one_colour/13 is unknown: give .*one_colour"):
        catalog.prepare_dataset(dataclasses.replace(one_colour, dataset="one_colour/13"))


def test_what_a_dataset_makes_of_its_records_is_what_batches_show(one_colour):
    dataset = catalog.prepare_dataset(one_colour)
    (batch,) = pipeline.evaluation_batches(dataset, "images", one_colour, 12)
    keys = [tf.random.fold_in(records.seed_key(0), number) for number in range(12)]
    np.testing.assert_array_equal(batch.boxes[:, :2], np.stack(keys) % 2**20)
    (first, again) = pipeline.training_batches(dataset, one_colour, 8, seed=1, steps=2)
    assert len({box.numpy().tobytes() for b in (first, again) for box in b.boxes}) == 16


def test_public_datasets_are_prepared_by_their_name(public):
    dataset = catalog.open_dataset(public)
    assert dataset.splits == ("train", "test", "test")
    assert dataset.classes == ("left", "right")
    assert dataset.has_boxes


def test_of_several_boxes_the_largest_counts(public):
    dataset = catalog.open_dataset(public)
    boxes = set()
    for record in tf.data.TFRecordDataset([s.path for s in dataset.shards("train")]):
        image, label, box = dataset.parse(record)
        assert image.shape == (12, 16, 3)
        assert int(label) in (0, 1)
        boxes.add(tuple(round(float(side), 3) for side in box))
    assert boxes == {(0, 0, 0, 0), (0.2, 0.3, 0.8, 0.9)}


def test_datasets_without_images_are_told(tmp_path):
    with pytest.raises(UserError, match="has no image among its features"):
        catalog.prepare_dataset(DataConfig(dataset="sounds", data_dir=str(tmp_path)))


def test_datasets_of_float_images_are_told(tmp_path):
    with pytest.raises(UserError, match=r"images of depth_maps/1\.0\.0 are floats, as depth maps"):
        catalog.prepare_dataset(DataConfig(dataset="depth_maps", data_dir=str(tmp_path)))


def test_boxes_are_needed_to_crop_to_them(photos):
    with pytest.raises(UserError, match="--crop_to_box needs bounding boxes"):
        catalog.open_dataset(dataclasses.replace(photos, crop_to_box=True))


def test_no_network_is_told(tmp_path, monkeypatch):
    def unresolved(*_):
        raise OSError("name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unresolved)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(UserError, match=r"storage\.googleapis\.com, which cannot be reached"):
        catalog.prepare_dataset(DataConfig(dataset="mnist", data_dir=str(tmp_path)))


def test_files_to_be_fetched_by_hand_are_told(tmp_path):
    with pytest.raises(UserError, match=r"ILSVRC2012_img_train\.tar"):
        catalog.prepare_dataset(DataConfig(dataset="imagenet2012", data_dir=str(tmp_path)))

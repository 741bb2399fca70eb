import os
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.inputs.images import make_folder, noise
from tnet_tf.errors import UserError
from tnet_tf.inputs.builders.image_files import Limits
from tnet_tf.inputs.builders.image_folder import ImageFolder


@pytest.fixture
def root(tmp_path):
    return make_folder(tmp_path / "images", {"train": 3, "test": 1})


def prepare(root, **settings):
    builder = ImageFolder("mine", root, data_dir=str(root.parent / "records"), **settings)
    builder.download_and_prepare()
    return tfds.builder_from_directory(builder.data_path)


def write_boxes(root, *lines):
    path = root / "boxes.csv"
    path.write_text("\n".join(["file,x_min,y_min,x_max,y_max", *lines]))
    return path


def nothing_is_prepared(root):
    return not list((root.parent / "records").rglob("*tfrecord*"))


def test_records_hold_the_files_own_bytes(root):
    builder = prepare(root)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 6,
        "test": 2,
    }
    raw = builder.as_dataset("train", decoders={"image": tfds.decode.SkipDecoding()})
    for example in tfds.as_numpy(raw):
        file = example["file"].decode()
        assert example["image"] == (root / file).read_bytes()
        assert builder.info.features["label"].int2str(example["label"]) in file


def test_boxes_become_fractions_and_missing_ones_zeros(root):
    write_boxes(root, "train/cat/0.png,4,3,8,12", "train/cat/1.png,4,3,8,12")
    builder = prepare(root)
    assert "regions" not in builder.info.features
    boxes = {
        example["file"].decode(): tuple(example["bbox"])
        for example in tfds.as_numpy(builder.as_dataset("train"))
    }
    assert boxes["train/cat/0.png"] == (0.25, 0.25, 1.0, 0.5)
    assert boxes["train/dog/0.png"] == (0, 0, 0, 0)
    assert (builder.info.metadata["boxes"], builder.info.metadata["tiny_boxes"]) == (2, 0)


def test_of_several_boxes_the_largest_is_the_image_s_and_tiny_ones_are_no_regions(root):
    write_boxes(
        root,
        "train/cat/0.png,0,0,4,3",
        "train/cat/0.png,4,3,12,12",
        "train/cat/0.png,0,0,2,12",
        "train/cat/1.png,4,3,8,3",
    )
    builder = prepare(root)
    found = {
        example["file"].decode(): (example["bbox"].tolist(), example["regions"].tolist())
        for example in tfds.as_numpy(builder.as_dataset("train"))
    }
    small, large = [0, 0, 0.25, 0.25], [0.25, 0.25, 1, 0.75]
    assert found["train/cat/0.png"] == (large, [small, large])
    assert found["train/cat/1.png"] == ([0.25, 0.25, 0.25, 0.5], [])
    assert found["train/dog/0.png"] == ([0, 0, 0, 0], [[0, 0, 0, 0]])
    # One of no height counts as none.
    assert (builder.info.metadata["boxes"], builder.info.metadata["tiny_boxes"]) == (3, 2)


def test_without_boxes_there_is_no_such_feature(root):
    assert "bbox" not in prepare(root).info.features


def test_boxes_may_lie_elsewhere(root, tmp_path):
    boxes = write_boxes(root, "train/cat/0.png,4,3,8,12").rename(tmp_path / "other.csv")
    assert "bbox" in prepare(root, boxes=boxes).info.features


@pytest.mark.parametrize(
    "line, message",
    [
        ("train/cat/0.png,0,0,18,12", r"train/cat/0.png: box .* 16 x 12"),
        ("train/cat/9.png,0,0,1,1", "train/cat/9.png is not among the images"),
    ],
)
def test_wrong_boxes_stop_before_anything_is_written(root, line, message):
    write_boxes(root, line)
    with pytest.raises(UserError, match=message):
        prepare(root)
    assert not (root.parent / "records").exists()


def test_a_bad_image_stops_and_leaves_nothing(root):
    (root / "train/dog/1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"train/dog/1.png cannot be used: .*--on_bad_image=skip"):
        prepare(root)
    assert nothing_is_prepared(root)


@pytest.mark.parametrize(
    "limits, message",
    [
        (Limits(least_side=13), r"test/cat/0.png cannot be used: 12 x 16 pixels are too few"),
        (Limits(max_pixels=100), r"test/cat/0.png cannot be used: 12 x 16 pixels are more than"),
    ],
)
def test_images_of_unfitting_size_stop_before_any_is_read(root, monkeypatch, limits, message):
    def read(*_):
        raise AssertionError("an image was read")

    monkeypatch.setattr("tnet_tf.inputs.builders.image_files.Reader.read", read)
    with pytest.raises(UserError, match=message):
        prepare(root, limits=limits)
    assert nothing_is_prepared(root)


def test_images_of_unfitting_size_can_be_skipped(root):
    noise(2, 100).save(root / "train/dog/1.png")
    builder = prepare(root, limits=Limits(least_side=3), skip_bad_images=True)
    assert builder.info.splits["train"].num_examples == 5
    assert "train/dog/1.png: 2 x 100 pixels are too few" in builder.info.metadata["skipped"][0]


def test_what_is_no_regular_file_stops_or_is_skipped(root):
    os.mkfifo(root / "train/dog/pipe.png")
    (root / "train/dog/device.png").symlink_to("/dev/zero")
    (root / "train/dog/gone.png").symlink_to("nowhere.png")
    with pytest.raises(UserError, match=r"train/dog/device.png cannot be used: .* a device"):
        prepare(root)
    builder = prepare(root, skip_bad_images=True)
    assert builder.info.splits["train"].num_examples == 6
    assert len(builder.info.metadata["skipped"]) == 3


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_boxes_are_read_from_regular_files_only(root, make):
    make(root / "boxes.csv")
    with pytest.raises(UserError, match=r"boxes.csv is not a regular file"):
        prepare(root)


def test_a_link_to_boxes_that_do_not_exist_is_told(root):
    (root / "boxes.csv").symlink_to("elsewhere.csv")
    with pytest.raises(UserError, match=r"boxes.csv is a link to .*, which does not exist"):
        prepare(root)


def test_names_survive(tmp_path):
    classes = ("été", "a  b", "{x}", "%d")
    builder = prepare(make_folder(tmp_path / "images", {"": 1}, classes))
    names = builder.info.features["label"].names
    assert names == sorted(classes)
    for example in tfds.as_numpy(builder.as_dataset("train")):
        assert example["file"].decode() == f"{names[example['label']]}/0.png"


def test_bad_images_can_be_skipped_and_are_named(root):
    (root / "train/dog/1.png").write_bytes(b"")
    (root / "train/dog/2.png").write_text("no image")
    builder = prepare(root, skip_bad_images=True)
    assert builder.info.splits["train"].num_examples == 4
    skipped = sorted(builder.info.metadata["skipped"])
    assert [entry.partition(":")[0] for entry in skipped] == ["train/dog/1.png", "train/dog/2.png"]


def test_bad_images_with_boxes_can_be_skipped(root):
    write_boxes(root, "train/dog/1.png,0,0,1,1", "train/dog/0.png,0,0,1,1")
    (root / "train/dog/1.png").write_bytes(b"")
    assert prepare(root, skip_bad_images=True).info.splits["train"].num_examples == 5


@pytest.mark.parametrize("split, message", [("train", "class 'dog'"), ("test", "test")])
def test_skipping_must_leave_something(root, split, message):
    for path in pathlib.Path(root, split).rglob("*"):
        if path.is_file() and (split == "test" or path.parent.name == "dog"):
            path.write_bytes(b"")
    with pytest.raises(UserError, match=f"no image of {message} is readable"):
        prepare(root, skip_bad_images=True)
    assert nothing_is_prepared(root)


def test_images_are_shrunk(root):
    noise(40, 80).save(root / "train/cat/0.png")
    shapes = {
        example["file"].decode(): example["image"].shape
        for example in tfds.as_numpy(
            prepare(root, limits=Limits(max_shorter_side=20)).as_dataset("train")
        )
    }
    assert shapes["train/cat/0.png"] == (20, 40, 3)
    assert shapes["train/cat/1.png"] == (12, 16, 3)


def test_pixels_survive(root):
    builder = prepare(root)
    for example in tfds.as_numpy(builder.as_dataset("test")):
        np.testing.assert_array_equal(example["image"], np.asarray(noise(seed=0)))

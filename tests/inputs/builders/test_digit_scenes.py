import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.errors import UserError
from tnet_tf.inputs import digit_scenes
from tnet_tf.inputs.builders.digit_scenes import DigitScenes


@pytest.mark.parametrize(
    "size, height, width", [("", 224, 224), ("448x672", 448, 672), ("96x64", 96, 64)]
)
def test_size_is_in_the_name(tmp_path, size, height, width):
    builder = DigitScenes(size, data_dir=str(tmp_path))
    assert (builder.height, builder.width) == (height, width)
    assert builder.data_path.parent.name == f"{height}x{width}"


@pytest.mark.parametrize("size", ["224", "axb", "224x", "-5x224", "16x224"])
def test_sizes_that_make_no_sense_are_refused(size):
    with pytest.raises(UserError, match=f"digit_scenes/{size}"):
        DigitScenes(size)


@pytest.fixture(scope="module")
def splits(scenes):
    builder = tfds.builder_from_directory(f"{scenes.data_dir}/digit_scenes/80x120/1.0.0")
    read = {name: list(tfds.as_numpy(builder.as_dataset(name))) for name in builder.info.splits}
    return read


def test_training_records_are_the_training_digits(splits):
    images, _ = digit_scenes.digits_of("train")
    assert {e["image"].tobytes() for e in splits["train"]} == {i.tobytes() for i in images}
    assert all(tuple(e["bbox"]) == (0, 0, 1, 1) for e in splits["train"])


def test_evaluation_records_are_scenes(splits):
    assert len(splits["validation"]) == digit_scenes.VALIDATION_SCENES
    assert len(splits["test"]) == digit_scenes.TEST_SCENES
    for example in splits["validation"]:
        assert example["image"].shape == (80, 120, 1)
        top, left, bottom, right = np.round(example["bbox"] * (80, 120, 80, 120)).astype(int)
        assert bottom - top == right - left == digit_scenes.digit_side(80, 120)


def test_scenes_show_only_digits_of_their_own_split(splits):
    side = digit_scenes.digit_side(80, 120)
    for split in ("validation", "test"):
        digits, labels = digit_scenes.digits_of(split)
        own = tf.image.resize(digits, (side, side)).numpy().reshape(len(digits), -1) / 255
        for example in splits[split]:
            top, left, _, _ = np.round(example["bbox"] * (80, 120, 80, 120)).astype(int)
            shown = example["image"][top : top + side, left : left + side].reshape(-1)
            ink = (shown - float(digit_scenes.BACKGROUND)) / (255 - digit_scenes.BACKGROUND)
            distances = np.abs(own - ink).max(axis=1)
            assert distances.min() < 0.01
            assert labels[distances.argmin()] == example["label"]


def test_every_digit_of_a_split_is_shown(splits):
    counts = np.bincount([example["label"] for example in splits["test"]], minlength=10)
    assert counts.min() > 70

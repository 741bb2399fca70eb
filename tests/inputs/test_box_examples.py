import dataclasses

import numpy as np
import pytest

from tests.inputs.images import make_folder
from tests.inputs.test_pipeline import assert_same, evaluate, train
from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import box_examples, catalog, pipeline

# Of 12 rows and 16 columns. The second box lies at an edge and is one pixel too wide.
BOXES = """file,x_min,y_min,x_max,y_max
train/cat/0.png,4,3,12,9
train/cat/0.png,8,0,17,6
train/cat/0.png,1,1,3,9
train/cat/1.png,0,0,8,12
train/cat/1.png,0,0,8,6
train/dog/0.png,5,5,6,6
test/cat/0.png,4,3,12,9
test/cat/0.png,0,0,16,12
test/cat/0.png,0,0,4,3
test/dog/0.png,3,3,3,3
"""
CLASSES = ("cat", "dog")


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    """Settings of a prepared folder: images with two regions, with one, with none, without box."""
    root = tmp_path_factory.mktemp("boxed")
    make_folder(root / "images", {"train": 3, "test": 1})
    (root / "images/boxes.csv").write_text(BOXES)
    data = DataConfig(
        dataset="folder/boxed",
        data_dir=str(root / "records"),
        folder=str(root / "images"),
        image_size=(12, 16),
        shuffle_buffer=10,
    )
    catalog.prepare_dataset(data)
    return data


def test_each_box_is_an_example_and_images_without_a_row_are_whole(boxed):
    dataset = catalog.open_dataset(dataclasses.replace(boxed, crop_to_box=True))
    # Two, two and a whole one of the cats; none and two whole ones of the dogs.
    assert pipeline.count(dataset, "train") == 7
    assert pipeline.count(dataset, "train+test") == 10
    assert pipeline.steps_per_epoch(dataset, "train", 4) == 2


def test_without_the_setting_each_image_is_an_example(boxed):
    dataset = catalog.open_dataset(boxed)
    assert pipeline.count(dataset, "train") == 6
    assert pipeline.count(dataset, "test") == 2
    (batch,) = evaluate(boxed, "test", 2)
    # The largest of three boxes, and one without area.
    assert sorted(map(tuple, batch.boxes.numpy())) == [(0, 0, 1, 1), (0.25, 0.1875, 0.25, 0.1875)]


def test_evaluation_shows_every_box_with_its_margin(boxed):
    (batch,) = evaluate(boxed, "test", 4, crop_to_box=True)
    np.testing.assert_array_equal(batch.mask, [1, 1, 1, 0])
    np.testing.assert_array_equal(batch.labels, [0, 0, 0, 0])
    # 8 x 6 pixels are half of the width: 10 x 8 with what 15% more touch. 4 x 3 are a quarter:
    # 6 x 4, of which the corner leaves 5 x 4. The third is the image.
    shown = [(0, 0, 1, 1), (1 / 8, 1 / 10, 7 / 8, 9 / 10), (0, 0, 3 / 4, 4 / 5)]
    np.testing.assert_allclose(sorted(batch.boxes[:3].numpy().tolist()), sorted(shown), atol=1e-5)


def test_an_epoch_trains_on_every_box_once(boxed):
    orders = set()
    for epoch in range(3):
        (batch,) = train(boxed, epoch + 1, 7, crop_to_box=True, start_step=epoch)
        # The third cat and the third dog look the same.
        assert len({image.numpy().tobytes() for image in batch.images}) == 6
        np.testing.assert_array_equal(np.bincount(batch.labels), [5, 2])
        orders.add(batch.images.numpy().tobytes())
    assert len(orders) == 3


@pytest.mark.parametrize("start_step", [1, 2, 3, 5])
def test_a_resumed_run_sees_what_an_undisturbed_one_would(boxed, start_step):
    settings = {"steps": 7, "crop_to_box": True, "random_flip": True, "random_crop": True}
    undisturbed = train(boxed, **settings)
    assert_same(train(boxed, start_step=start_step, **settings), undisturbed[start_step:])


def test_boxes_of_an_image_have_keys_of_their_own(boxed):
    dataset = catalog.open_dataset(dataclasses.replace(boxed, crop_to_box=True))
    stream = box_examples.shuffled_epochs(dataset, seed=1, shuffle_buffer=10)
    keys = [tuple(key.numpy()) for key, _, _ in stream.take(3 * 7)]
    assert len(set(keys)) == 3 * 7


def test_objects_of_a_tfds_dataset_are_examples(public):
    plain = catalog.open_dataset(public)
    boxed = catalog.open_dataset(dataclasses.replace(public, crop_to_box=True))
    assert pipeline.count(plain, "test") == 5
    # An image without objects is shown whole, four have two each.
    assert pipeline.count(boxed, "test") == 9


def test_a_split_without_boxes_is_refused(tmp_path):
    make_folder(tmp_path / "images", {"train": 1, "test": 1})
    rows = [f"{split}/{name}/0.png,1,1,2,2" for split in ("train", "test") for name in CLASSES]
    (tmp_path / "images/boxes.csv").write_text("\n".join([BOXES.splitlines()[0], *rows]))
    data = DataConfig(
        dataset="folder/tiny", data_dir=str(tmp_path / "r"), folder=str(tmp_path / "images")
    )
    catalog.prepare_dataset(data)
    with pytest.raises(UserError, match="--crop_to_box: no image of the split 'train' of folder/t"):
        train(data, crop_to_box=True)

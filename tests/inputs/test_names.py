import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.inputs.images import make_folder
from tnet_tf.config import DataConfig
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.inputs.names import image_names, name_feature

BOXES = "file,x_min,y_min,x_max,y_max\ntest/cat/0.png,4,3,12,9\ntest/cat/0.png,0,0,4,3\n"


def images_of(dataset, data, split):
    (batch,) = pipeline.evaluation_batches(dataset, split, data, pipeline.count(dataset, split))
    return np.rint((batch.images.numpy() + 1) * 127.5)


@pytest.mark.parametrize("split", ["train", "test", "train[3:8]", "train+test"])
def test_names_are_of_the_images_in_the_order_of_evaluation(photos, split):
    data = dataclasses.replace(photos, image_size=(12, 16))
    dataset = catalog.open_dataset(data)
    assert name_feature(dataset) == "file"
    names = list(image_names(dataset, split))
    for name, image in zip(names, images_of(dataset, data, split), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(f"{data.folder}/{name}")), image)


def test_regions_of_one_image_share_its_name(tmp_path):
    make_folder(tmp_path / "images", {"train": 1, "test": 1})
    (tmp_path / "images/boxes.csv").write_text(BOXES)
    data = DataConfig(
        dataset="folder/boxed",
        data_dir=str(tmp_path / "records"),
        folder=str(tmp_path / "images"),
        crop_to_box=True,
        image_size=(12, 16),
    )
    dataset = catalog.prepare_dataset(data)
    names = sorted(image_names(dataset, "test"))
    assert names == ["test/cat/0.png", "test/cat/0.png", "test/dog/0.png"]


def test_datasets_without_names_have_no_feature_of_them(public, scenes):
    assert name_feature(catalog.open_dataset(public)) == ""
    assert name_feature(catalog.open_dataset(scenes)) == ""


class NumberedImages(tfds.core.GeneratorBasedBuilder):
    """A TFDS dataset whose images have numbers for names."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(2, 2, 3)),
            "image/id": tfds.features.Tensor(shape=(), dtype=np.int64),
            "label": tfds.features.ClassLabel(names=["left", "right"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(20):
            image = np.zeros((2, 2, 3), np.uint8)
            yield number, {"image": image, "image/id": 7000 + number, "label": number % 2}


def test_numbers_are_names_too(tmp_path):
    data = DataConfig(dataset="numbered_images", data_dir=str(tmp_path))
    dataset = catalog.prepare_dataset(data)
    assert name_feature(dataset) == "image/id"
    names = {name for split in dataset.splits for name in image_names(dataset, split)}
    assert names == {str(7000 + number) for number in range(20)}

"""A dataset that someone adds: a builder, a row of the table, and a way to read its records."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, pipeline, records
from tnet_tf.inputs.dataset import Dataset
from tnet_tf.inputs.source import Source


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

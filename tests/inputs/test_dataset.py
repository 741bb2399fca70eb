import dataclasses

import pytest
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, records


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


def test_of_several_boxes_the_largest_counts(public):
    dataset = catalog.open_dataset(public)
    boxes = set()
    for record in tf.data.TFRecordDataset([s.path for s in dataset.shards("train")]):
        image, label, box = dataset.parse(record)
        assert image.shape == (12, 16, 3)
        assert int(label) in (0, 1)
        boxes.add(tuple(round(float(side), 3) for side in box))
    assert boxes == {(0, 0, 0, 0), (0.2, 0.3, 0.8, 0.9)}

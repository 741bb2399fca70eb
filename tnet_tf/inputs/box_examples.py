"""Each box of an image as an example of its own (`--crop_to_box`, Table 2, "BBoxes").

A record is read once for all of its boxes, so those of an image follow each other in an epoch.
"""

import functools

import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.inputs import records
from tnet_tf.inputs.dataset import Dataset


@functools.cache
def count(dataset: Dataset, split: str) -> int:
    """Number of boxes of a split, for which its records are read once.

    Args:
      dataset: one with a `region_feature`.
      split: in TFDS syntax.

    Raises:
      UserError: no image of the split has a box to show, or a file is damaged.
    """
    shards = dataset.shards(split)
    regions = records.in_order(shards).map(dataset.regions, num_parallel_calls=tf.data.AUTOTUNE)
    with records.damaged_records(shards, dataset.regions):
        boxes = regions.reduce(0, lambda total, these: total + tf.shape(these)[0])
    if not boxes:
        raise UserError(
            f"--crop_to_box: no image of the split {split!r} of {dataset.name} has a box of more "
            "than 2 pixels a side"
        )
    return int(boxes)


def shuffled_epochs(
    dataset: Dataset, seed: int, shuffle_buffer: int, start: int = 0
) -> tf.data.Dataset:
    """Endless epochs of the training split, each in an order that (seed, epoch) decides.

    Args:
      dataset: one with a `region_feature`.
      seed: decides, with the epoch's number, the order of the records.
      shuffle_buffer: records held in memory to shuffle them.
      start: examples of the endless stream to leave out.

    Returns:
      Elements (key, record, box): (2,) int32, () string and (4,) float32.
    """
    split = dataset.train_split
    shards = dataset.shards(split)
    epochs, skipped = divmod(start, count(dataset, split))
    first = epochs * sum(shard.take for shard in shards)
    stream = records.shuffled_epochs(shards, seed, shuffle_buffer, first)

    def of_record(key: tf.Tensor, record: tf.Tensor) -> tf.data.Dataset:
        boxes = tf.data.Dataset.from_tensor_slices(dataset.regions(record)).enumerate()
        return boxes.map(lambda index, box: (tf.random.fold_in(key, index), record, box))

    return stream.flat_map(of_record).skip(skipped)


def in_order(dataset: Dataset, split: str) -> tf.data.Dataset:
    """The boxes of a split in fixed order: (record, box), () string and (4,) float32."""

    def of_record(record: tf.Tensor) -> tf.data.Dataset:
        boxes = tf.data.Dataset.from_tensor_slices(dataset.regions(record))
        return boxes.map(lambda box: (record, box))

    return records.in_order(dataset.shards(split)).flat_map(of_record)

"""Batches for training and evaluation, out of the TFRecords of a dataset.

Training is keyed: (seed, epoch) decides the order, (seed, epoch, place in the epoch) the
augmentation. Batches are the same for any number of workers, and a run that starts at step s
continues with exactly the batch that step s of an undisturbed run would see.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from tnet_tf.batch import Batch
from tnet_tf.config import DataConfig
from tnet_tf.inputs import box_examples, records
from tnet_tf.inputs.augmentation import augment, bilinear
from tnet_tf.inputs.crops import crop_to_box
from tnet_tf.inputs.dataset import Dataset, Labelled

# Scenes of training digits are composed afresh in training; in evaluation always with this seed.
_EVALUATION_SEED = 0


# An image, (height, width, 3) float32 in [-1, 1], its label, box and mask: a row of a `Batch`.
Example = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


def training_batches(
    dataset: Dataset,
    data: DataConfig,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    steps: int | None = None,
) -> tf.data.Dataset:
    """Shuffled and augmented batches of the training split, epoch after epoch without a gap.

    Args:
      dataset: from `catalog.open_dataset`.
      data: image size, augmentation, shuffle buffer and workers.
      batch_size: n of each batch; a batch may hold the end of one epoch and the start of the next.
      seed: decides order and augmentation.
      start_step: step of the first batch; those before it are left out.
      steps: steps of the whole run, which ends the batches; None: without end.

    Returns:
      Elements are `Batch`es.
    """
    start = start_step * batch_size
    if dataset.region_feature:
        stream = box_examples.shuffled_epochs(dataset, seed, data.shuffle_buffer, start)
    else:
        shards = dataset.shards(dataset.train_split)
        stream = records.shuffled_epochs(shards, seed, data.shuffle_buffer, start)

    def example(key: tf.Tensor, record: tf.Tensor, *region: tf.Tensor) -> Example:
        image, label, box = _read(dataset, data, dataset.train_split, key, record, *region)
        image, box = augment(image, box, key, data)
        return _example(image, label, box)

    examples = stream.map(example, num_parallel_calls=_workers(data), deterministic=True)
    batches = _batched(examples, batch_size)
    return _options(batches if steps is None else batches.take(max(0, steps - start_step)))


def evaluation_batches(
    dataset: Dataset, split: str, data: DataConfig, batch_size: int
) -> tf.data.Dataset:
    """All examples of a split in fixed order, resized but not augmented.

    Args:
      dataset: from `catalog.open_dataset`.
      split: in TFDS syntax.
      data: image size and workers.
      batch_size: n of each batch; the last one is filled up and masked.

    Returns:
      Elements are `Batch`es.
    """

    def example(index: tf.Tensor, parts: tuple[tf.Tensor, ...]) -> Example:
        key = tf.random.fold_in(records.seed_key(_EVALUATION_SEED), index)
        image, label, box = _read(dataset, data, split, key, *parts)
        return _example(bilinear(image, data.image_size) / 255, label, box)

    stream = in_order(dataset, split).enumerate()
    examples = stream.map(example, num_parallel_calls=_workers(data), deterministic=True)
    padding = -count(dataset, split) % batch_size
    if padding:
        blank = tf.data.Dataset.from_tensors(_blank(data)).repeat(padding)
        examples = examples.concatenate(blank)
    return _options(_batched(examples, batch_size))


def in_order(dataset: Dataset, split: str) -> tf.data.Dataset:
    """All examples of a split in the order of evaluation, not yet parsed.

    Returns:
      Elements (record,): () string, the serialized example; or (record, region) where a region of
      the image is the example, (4,) float32.
    """
    if dataset.region_feature:
        return box_examples.in_order(dataset, split)
    return records.in_order(dataset.shards(split)).map(lambda record: (record,))


def count(dataset: Dataset, split: str) -> int:
    """Number of examples of a split."""
    if dataset.region_feature:
        return box_examples.count(dataset, split)
    return sum(shard.take for shard in dataset.shards(split))


def class_counts(dataset: Dataset, split: str) -> np.ndarray:
    """Number of examples of each class in a split, (classes,) int64; reads all of its records.

    Raises:
      UserError: names a damaged file.
    """
    examples = in_order(dataset, split)
    labels = examples.map(lambda record, *_: dataset.parse_label(record)).batch(1024)
    counts: np.ndarray = np.zeros(len(dataset.classes), np.int64)
    with record_errors(dataset):
        for batch in labels:
            counts += np.bincount(batch, minlength=len(counts))
    return counts


def steps_per_epoch(dataset: Dataset, split: str, batch_size: int) -> int:
    """Batches in which every example of a split occurs, the last one perhaps in part."""
    return -(-count(dataset, split) // batch_size)


@contextmanager
def record_errors(dataset: Dataset) -> Iterator[None]:
    """For code that iterates batches: an unreadable record becomes a `UserError` naming its file.

    Raises:
      UserError: names the damaged file.
    """
    splits = dict.fromkeys((dataset.train_split, dataset.validation_split, dataset.test_split))
    shards = [shard for split in splits for shard in dataset.shards(split)]
    with records.damaged_records(shards, dataset.parse):
        yield


def _read(
    dataset: Dataset,
    data: DataConfig,
    split: str,
    key: tf.Tensor,
    record: tf.Tensor,
    *region: tf.Tensor,
) -> Labelled:
    """An example as the dataset has it or, for --crop_to_box, its box with a margin."""
    image, label, box = dataset.read(split, key, record, *region)
    if data.crop_to_box:
        image, box = crop_to_box(image, box)
    return image, label, box


def _example(image: tf.Tensor, label: tf.Tensor, box: tf.Tensor) -> Example:
    height, width, _ = image.shape
    image = tf.broadcast_to(image * 2 - 1, (height, width, 3))
    return image, tf.cast(label, tf.int32), box, tf.constant(1.0)


def _blank(data: DataConfig) -> Example:
    return tf.zeros((*data.image_size, 3)), tf.constant(0), tf.zeros(4), tf.constant(0.0)


def _batched(examples: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    return examples.batch(batch_size, drop_remainder=True).map(Batch)


def _workers(data: DataConfig) -> int:
    return data.data_workers or tf.data.AUTOTUNE


def _options(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)

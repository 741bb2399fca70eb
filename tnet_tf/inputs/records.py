"""TFRecord shards: read in order, in keyed random order, and checked for damage.

The order of an epoch is a pure function of (seed, epoch). So a run that starts at any step sees
exactly what an undisturbed run would see from that step on.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.errors import UserError

# Shards read in turn and records taken from each at a time. Constants, because the order of the
# records depends on them.
_CYCLE = 16
_BLOCK = 16

# TFRecord adds a length (8 bytes) and two checksums (4 bytes each) to every record.
_RECORD_OVERHEAD = 16

# What TensorFlow raises for a record, or a file of them, that it can't read.
_UNREADABLE = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
)


class Shard(NamedTuple):
    """A file of records and which of them to read."""

    path: str
    skip: int
    """Records to leave out at the start."""
    take: int
    """Records to read after those."""


def shards_of(split: tfds.core.SplitInfo) -> list[Shard]:
    """The files of a split, or of a slice of one."""
    return [Shard(os.fspath(f.filename), f.skip, f.take) for f in split.file_instructions]


def in_order(shards: Sequence[Shard]) -> tf.data.Dataset:
    """The serialized examples of the shards, () string, one after the other."""
    return _interleave(tf.range(len(shards)), shards, cycle=1)


def shuffled_epochs(
    shards: Sequence[Shard], seed: int, shuffle_buffer: int, start: int = 0
) -> tf.data.Dataset:
    """Endless epochs, each in an order that (seed, epoch) decides.

    Args:
      shards: what to read.
      seed: decides, with the epoch's number, the order of the shards and of the records.
      shuffle_buffer: records held in memory to shuffle them.
      start: examples of the endless stream to leave out. Whole epochs cost nothing; within an epoch
        records are read but not decoded.

    Returns:
      Elements (key, record): (2,) int32, a key of this example in this epoch for stateless random
      operations; () string, the serialized example.
    """
    first_epoch, skipped = divmod(start, sum(shard.take for shard in shards))

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # `shuffle` mixes the seed of this function's graph into its own. Without this line that
        # is the program's global seed, and the order would depend on who set it last.
        tf.random.set_seed(1)
        key = tf.random.fold_in(seed_key(seed), number)
        order = tf.random.experimental.stateless_shuffle(tf.range(len(shards)), key)
        records = _interleave(order, shards, cycle=_CYCLE)
        # Drawn from the whole key: `fold_in` leaves a key's first word as it was.
        shuffle_seed = tf.random.stateless_uniform((), key, None, None, tf.int64)
        records = records.shuffle(shuffle_buffer, shuffle_seed, reshuffle_each_iteration=False)
        left_out = tf.where(number == first_epoch, tf.constant(skipped, tf.int64), 0)
        keys = tf.data.Dataset.from_tensors(key).repeat()
        return tf.data.Dataset.zip(keys, records.enumerate()).skip(left_out)

    def with_key(key: tf.Tensor, numbered: tuple[tf.Tensor, tf.Tensor]) -> tuple:
        index, record = numbered
        return tf.random.fold_in(key, index), record

    return tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch).map(with_key)


def seed_key(seed: int) -> tf.Tensor:
    """The root key, (2,) int32, of all random numbers of a seed."""
    return tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)


def _interleave(order: tf.Tensor, shards: Sequence[Shard], cycle: int) -> tf.data.Dataset:
    paths = tf.constant([shard.path for shard in shards])
    skips = tf.constant([shard.skip for shard in shards], tf.int64)
    takes = tf.constant([shard.take for shard in shards], tf.int64)

    def read(shard: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(paths[shard])
        return records.skip(skips[shard]).take(takes[shard])

    return tf.data.Dataset.from_tensor_slices(order).interleave(
        read,
        cycle_length=min(cycle, len(shards)),
        block_length=_BLOCK,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def damaged(path: str | os.PathLike, problem: str) -> UserError:
    """The error of a file of a prepared dataset that can't be used.

    Args:
      path: of the file.
      problem: what is wrong, to follow the path in a sentence.
    """
    folder = os.path.dirname(os.fspath(path))
    return UserError(
        f"{os.fspath(path)} {problem}; delete the folder {folder} and prepare the dataset again"
    )


def check_readable(path: str | os.PathLike) -> None:
    """Checks that a file of a prepared dataset is there, can be read and has content.

    Raises:
      UserError: names the file.
    """
    if not os.path.lexists(path):
        raise damaged(path, "is missing")
    if not os.path.isfile(path):  # Opening what is no file may wait for ever.
        raise damaged(path, "is not a file")
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise damaged(path, f"can't be read ({error.strerror})") from error
    if empty:
        raise damaged(path, "is empty (0 bytes)")


def check_shards(split: tfds.core.SplitInfo) -> None:
    """Checks, without reading them, that a split's files are there and complete.

    Raises:
      UserError: names the first file that is missing, unreadable, empty, or has other than its
        number of records.
    """
    paths = [os.fspath(path) for path in split.filepaths]
    for path in paths:
        check_readable(path)
    expected = split.num_bytes + _RECORD_OVERHEAD * split.num_examples
    if sum(map(os.path.getsize, paths)) == expected:
        return
    for path, length in zip(paths, split.shard_lengths, strict=True):
        count = _count(path)
        if count < length:
            raise damaged(path, f"is cut off: {count} of its {length} records are whole")
        if count > length:
            raise damaged(path, f"has {count} records, and not {length} as dataset_info.json says")


def _count(path: str) -> int:
    """Number of whole records in a file, from the lengths alone."""
    size, position, count = os.path.getsize(path), 0, 0
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            position += int.from_bytes(file.read(8), "little") + _RECORD_OVERHEAD
            count += position <= size
    return count


@contextlib.contextmanager
def damaged_records(shards: Sequence[Shard], read: Callable[[tf.Tensor], object]) -> Iterator[None]:
    """Turns what TensorFlow raises for an unreadable record into a `UserError` naming the file.

    Errors that are not about records pass unchanged.

    Args:
      shards: where to look for the damage.
      read: parses and decodes one serialized example.

    Raises:
      UserError: names the first damaged file.
    """
    try:
        yield
    except _UNREADABLE as e:
        # An operation of the model raises the same classes; only the pipeline's are worth a search.
        if not re.search("Iterator|corrupted record|Decode|Could not parse", str(e)):
            raise
        damage = find_damage(shards, read)
        if damage is None:
            raise
        path, problem = damage
        raise damaged(path, f"is damaged: {problem}") from e


def find_damage(
    shards: Sequence[Shard], read: Callable[[tf.Tensor], object]
) -> tuple[str, str] | None:
    """The first file with an unreadable record and what is wrong with it, or None."""
    for path in dict.fromkeys(shard.path for shard in shards):
        records = tf.data.TFRecordDataset(path).map(read, num_parallel_calls=tf.data.AUTOTUNE)
        try:
            for _ in records:
                pass
        except tf.errors.OpError as error:
            return path, reason(error)
    return None


def reason(error: tf.errors.OpError) -> str:
    """TensorFlow's message without its graph coordinates, on one line."""
    text = re.sub(
        r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:\w+\]|name: *$", "", error.message, flags=re.DOTALL
    )
    return " ".join(text.split())[:200]

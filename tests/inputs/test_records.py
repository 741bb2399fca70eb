import itertools

import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.inputs import records


def write(path, values):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for value in values:
            writer.write(str(value).encode())
    return str(path)


@pytest.fixture
def shards(tmp_path):
    """Three files of twelve; the second's first two and the third's last are not read."""
    paths = [write(tmp_path / f"{i}.tfrecord", range(12 * i, 12 * i + 12)) for i in range(3)]
    plan = ((0, 12), (2, 10), (0, 11))
    return [records.Shard(path, *part) for path, part in zip(paths, plan, strict=True)]


WANTED = [*range(12), *range(14, 24), *range(24, 35)]


def values(dataset, count=None):
    dataset = dataset if count is None else dataset.take(count)
    return [int(record.numpy()) for record in dataset]


def stream(shards, count, **settings):
    settings = {"seed": 3, "shuffle_buffer": 8, "start": 0, **settings}
    dataset = records.shuffled_epochs(shards, **settings).take(count)
    return [(tuple(key.numpy()), int(record.numpy())) for key, record in dataset]


def test_reads_in_order_what_belongs_to_the_split(shards):
    assert values(records.in_order(shards)) == WANTED


def test_every_epoch_has_every_record_once_in_its_own_order(shards):
    read = [record for _, record in stream(shards, 3 * 33)]
    epochs = [read[:33], read[33:66], read[66:]]
    assert all(sorted(epoch) == WANTED for epoch in epochs)
    for one, other in itertools.combinations([*epochs, WANTED], 2):
        assert one != other


@pytest.mark.parametrize("count", [1, 2])
def test_epochs_of_few_shards_differ_in_order(shards, count):
    """With few shards the order of the shards adds nothing: the records' own shuffle decides."""
    shards = shards[:count]
    size = sum(shard.take for shard in shards)
    read = [record for _, record in stream(shards, 6 * size)]
    epochs = {tuple(read[start : start + size]) for start in range(0, 6 * size, size)}
    assert len(epochs) == 6
    # Neighbours in one epoch rarely stay neighbours in the next.
    pairs = [set(itertools.pairwise(epoch)) for epoch in epochs]
    kept = [len(one & other) for one, other in itertools.combinations(pairs, 2)]
    assert np.mean(kept) < 0.3 * size


def test_keys_are_never_repeated(shards):
    keys = [key for key, _ in stream(shards, 3 * 33)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("start", [1, 20, 33, 50, 80])
def test_start_continues_the_same_stream(shards, start):
    assert stream(shards, 100 - start, start=start) == stream(shards, 100)[start:]


def test_seed_decides_order_and_keys(shards):
    assert stream(shards, 33) == stream(shards, 33)
    assert [r for _, r in stream(shards, 33)] != [r for _, r in stream(shards, 33, seed=4)]
    assert not set(stream(shards, 33)) & set(stream(shards, 33, seed=4))


@pytest.mark.parametrize("seed", [0, 1, None])
def test_the_global_seed_does_not_matter(shards, seed):
    expected = stream(shards, 40)
    if seed is not None:
        tf.random.set_seed(seed)
    assert stream(shards, 40) == expected


def parse(record):
    return tf.strings.to_number(record, tf.int32)


def flip_byte(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 255]))


def test_a_flipped_bit_is_told_with_the_file(shards):
    flip_byte(shards[1].path, 60)
    message = r"1\.tfrecord is damaged: corrupted record"
    with pytest.raises(UserError, match=message), records.damaged_records(shards, parse):
        values(records.in_order(shards))


def test_a_record_that_cannot_be_parsed_is_told_with_the_file(shards, tmp_path):
    bad = records.Shard(write(tmp_path / "bad.tfrecord", ["five"]), 0, 1)
    shards, message = [*shards, bad], r"bad\.tfrecord is damaged: .*convert string"
    with pytest.raises(UserError, match=message), records.damaged_records(shards, parse):
        values(records.in_order(shards).map(parse))


def test_other_errors_pass(shards):
    with pytest.raises(tf.errors.InvalidArgumentError), records.damaged_records(shards, parse):
        tf.reshape(tf.zeros(3), (2, 2))
    with pytest.raises(ZeroDivisionError), records.damaged_records(shards, parse):
        1 / 0  # noqa: B018


def test_sound_shards_have_no_damage(shards):
    assert records.find_damage(shards, parse) is None


def test_seeds_beyond_31_bits_differ():
    keys = {tuple(np.array(records.seed_key(seed))) for seed in (0, 1, 2**31, 2**31 + 1, 2**40)}
    assert len(keys) == 5

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism  # Not public.

from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, digit_scenes, keras_cv_augmentation, pipeline

AUGMENTED = {
    "random_crop": True,
    "random_resize": True,
    "random_flip": True,
    "color_distortion": True,
    "translation": 0.1,
    "rotation": 20.0,
}


def train(data, steps=5, batch_size=4, seed=1, start_step=0, **changes):
    data = dataclasses.replace(data, **changes)
    dataset = catalog.open_dataset(data)
    return list(pipeline.training_batches(dataset, data, batch_size, seed, start_step, steps))


def evaluate(data, split, batch_size, **changes):
    data = dataclasses.replace(data, **changes)
    dataset = catalog.open_dataset(data)
    return list(pipeline.evaluation_batches(dataset, split, data, batch_size))


def assert_same(batches, others):
    assert len(batches) == len(others) > 0
    for one, other in zip(batches, others, strict=True):
        for part, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("source", ["scenes", "photos"])
def test_batches_are_as_described(source, request):
    data = request.getfixturevalue(source)
    for batch in (train(data, **AUGMENTED)[0], evaluate(data, "train", 4)[0]):
        assert batch.images.shape == (4, *data.image_size, 3)
        assert batch.images.dtype == tf.float32
        assert batch.images.numpy().min() >= -1
        assert batch.images.numpy().max() <= 1 + 1e-5
        assert batch.images.numpy().max() > 0
        assert batch.labels.dtype == tf.int32
        assert batch.boxes.shape == (4, 4)
        np.testing.assert_array_equal(batch.mask, np.ones(4))


@pytest.mark.parametrize("source", ["scenes", "photos"])
def test_workers_do_not_change_the_batches(source, request):
    data = request.getfixturevalue(source)
    one = train(data, data_workers=1, **AUGMENTED)
    assert_same(one, train(data, data_workers=4, **AUGMENTED))
    assert_same(one, train(data, data_workers=0, **AUGMENTED))


@pytest.mark.parametrize("start_step", [1, 3, 7])
def test_a_resumed_run_sees_what_an_undisturbed_one_would(photos, start_step):
    # An epoch has 14 images: step 3 of 4 images each crosses its end.
    undisturbed = train(photos, steps=10, **AUGMENTED)
    assert_same(
        train(photos, steps=10, start_step=start_step, **AUGMENTED), undisturbed[start_step:]
    )


def test_scenes_resume_across_epochs(scenes):
    steps = 1197 // 100 + 3
    undisturbed = train(scenes, steps=steps, batch_size=100)
    assert_same(train(scenes, steps, 100, start_step=steps - 4), undisturbed[steps - 4 :])


def test_seeds_differ(photos):
    one, other = train(photos, seed=1)[0], train(photos, seed=2)[0]
    assert (one.images != other.images).numpy().any()


def test_training_goes_on_without_end(photos):
    dataset = catalog.open_dataset(photos)
    batches = pipeline.training_batches(dataset, photos, 4, 0)
    assert len(list(batches.take(40))) == 40


def test_an_epoch_trains_on_every_image_once(photos):
    # 7 images of each class; two batches of 7 are one epoch.
    for epoch in range(3):
        batches = train(photos, steps=2 * epoch + 2, batch_size=7, start_step=2 * epoch)
        images = {image.numpy().tobytes() for batch in batches for image in batch.images}
        assert len(images) == 7  # cats and dogs look the same here
        labels = np.concatenate([batch.labels for batch in batches])
        np.testing.assert_array_equal(np.bincount(labels), [7, 7])


def test_every_epoch_composes_new_scenes(scenes):
    small = dict(train_split="train[:4]", batch_size=4, steps=2)
    first, second = train(scenes, **small)
    assert sorted(first.labels.numpy()) == sorted(second.labels.numpy())
    pictures = {image.numpy().tobytes() for batch in (first, second) for image in batch.images}
    assert len(pictures) == 8


def test_scenes_show_the_digit_of_their_label_in_their_box(scenes):
    label_of = dict(zip(digits_in_scenes(), digit_scenes.digits_of("train")[1], strict=True))
    batch = train(scenes, steps=1, batch_size=16)[0]
    for image, label, box in zip(batch.images, batch.labels, batch.boxes, strict=True):
        top, left, bottom, right = np.round(box.numpy() * (80, 120, 80, 120)).astype(int)
        assert label_of[pixels(image[top:bottom, left:right])] == label


def digits_in_scenes():
    """Pixels of every training digit in these scenes, where it is as large as it was drawn."""
    assert digit_scenes.digit_side(80, 120) == 8
    ink = digit_scenes.digits_of("train")[0] / 255
    shades = digit_scenes.BACKGROUND * (1 - ink) + 255 * ink
    return [digit.astype(np.uint8).tobytes() for digit in shades]


def pixels(image):
    return np.round((image.numpy()[..., :1] + 1) * 127.5).astype(np.uint8).tobytes()


def test_fixed_scenes_stay_what_they_are(scenes):
    assert_same(evaluate(scenes, "test[:20]", 8), evaluate(scenes, "test[:20]", 8))
    assert_same(evaluate(scenes, "train[:20]", 8), evaluate(scenes, "train[:20]", 8))


def test_last_batch_is_filled_up_and_masked(photos):
    batches = evaluate(photos, "train", 4)
    assert len(batches) == 4
    assert all(batch.images.shape == (4, 8, 10, 3) for batch in batches)
    np.testing.assert_array_equal([batch.mask.numpy().sum() for batch in batches], [4, 4, 4, 2])
    np.testing.assert_array_equal(batches[-1].mask, [1, 1, 0, 0])


def test_evaluation_only_resizes(photos):
    augmented = evaluate(photos, "test", 3, **AUGMENTED)
    assert_same(evaluate(photos, "test", 3), augmented)


def test_no_padding_where_batches_come_out_even(photos):
    batches = evaluate(photos, "test", 3)
    assert [float(tf.reduce_sum(batch.mask)) for batch in batches] == [3, 3]


@pytest.mark.parametrize("split, count", [("train", 14), ("train[:50%]", 7), ("train+test", 20)])
def test_counts_of_splits_and_slices(photos, split, count):
    dataset = catalog.open_dataset(photos)
    assert pipeline.count(dataset, split) == count
    assert pipeline.steps_per_epoch(dataset, split, 4) == -(-count // 4)
    batches = evaluate(photos, split, 4)
    assert sum(float(tf.reduce_sum(batch.mask)) for batch in batches) == count


def test_slices_share_no_image(photos):
    halves = [evaluate(photos, split, 7)[0] for split in ("train[:7]", "train[7:]")]
    seen = [set(zip(map(bytes, b.images.numpy()), b.labels.numpy(), strict=True)) for b in halves]
    assert len(seen[0]) == len(seen[1]) == 7
    assert not seen[0] & seen[1]


def test_batches_can_be_larger_than_the_dataset(photos):
    batch = train(photos, steps=1, batch_size=40)[0]
    np.testing.assert_array_equal(np.bincount(batch.labels) >= 14, [True, True])


def test_crop_to_box_shows_the_digit_and_as_much_on_each_side(scenes):
    data = dict(crop_to_box=True, image_size=(24, 24), train_split="train[:10]")
    batch = train(scenes, steps=1, batch_size=10, **data)[0]
    # Those at the scene's edge show less.
    inner = np.isclose(batch.boxes, (1 / 3, 1 / 3, 2 / 3, 2 / 3), atol=1e-4).all(axis=1)
    assert inner.sum() >= 3
    shown = {pixels(image[8:16, 8:16]) for image in batch.images[inner]}
    assert shown <= set(digits_in_scenes())


def test_batches_are_split_over_devices(photos):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    dataset = catalog.open_dataset(photos)
    batches = pipeline.training_batches(dataset, photos, 4, 1, steps=5)
    distributed = strategy.experimental_distribute_dataset(batches)
    assert_same(list(distributed), train(photos))


def test_a_damaged_record_stops_training_with_its_file(photos, tmp_path):
    data = copied(photos, tmp_path)
    path = next(tmp_path.rglob("*train.tfrecord*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    dataset = catalog.open_dataset(data)
    with pytest.raises(UserError, match=f"{path.name} is damaged"), pipeline.record_errors(dataset):
        list(pipeline.training_batches(dataset, data, 4, 0, steps=4))


def test_an_image_that_cannot_be_decoded_stops_training_with_its_file(photos, tmp_path):
    data = copied(photos, tmp_path)
    path = next(tmp_path.rglob("*train.tfrecord*"))
    rewrite(path, lambda record: record.replace(b"IDAT", b"IDOT"))
    dataset = catalog.open_dataset(data)
    with pytest.raises(UserError, match=f"{path.name} is damaged"), pipeline.record_errors(dataset):
        list(pipeline.evaluation_batches(dataset, "train", data, 4))


def copied(data, folder):
    """The prepared dataset in a folder of its own."""
    tf.io.gfile.makedirs(str(folder / "records"))
    for path in tf.io.gfile.glob(f"{data.data_dir}/folder/photos/1.0.0/*"):
        target = folder / "records/folder/photos/1.0.0" / path.rsplit("/", 1)[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        tf.io.gfile.copy(path, str(target))
    return dataclasses.replace(data, data_dir=str(folder / "records"))


def rewrite(path, change):
    contents = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in contents:
            writer.write(change(record))


def test_batches_are_the_same_where_operations_must_be_deterministic(photos):
    expected = train(photos, **AUGMENTED)
    tf.config.experimental.enable_op_determinism()
    try:
        keras_cv_augmentation._rotation.cache_clear()
        keras_cv_augmentation._translation.cache_clear()
        assert_same(train(photos, **AUGMENTED), expected)
    finally:
        disable_op_determinism()

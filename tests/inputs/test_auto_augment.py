import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism  # Not public.

from tests.evaluation.test_cost import read_table
from tests.inputs.test_augmentation import KEYS, box_of_pixels, noise, with_rectangle
from tests.inputs.test_pipeline import assert_same, train
from tnet_tf.inputs import augmentation
from tnet_tf.inputs.auto_augment import (
    IMAGENET_POLICY,
    OPERATIONS,
    ROTATE,
    SHEAR_X,
    Choice,
    Step,
    apply,
    draw,
    magnitude,
)

NAMES = tuple(OPERATIONS)


def applied(image, *steps):
    """8-bit pixels after steps (operation, magnitude), at most two."""
    steps += ((None, 0.0),) * (2 - len(steps))
    operations = [NAMES.index(name) if name else -1 for name, _ in steps]
    choice = Choice(tf.constant(operations), tf.constant([m for _, m in steps], tf.float32))
    result = apply(tf.constant(image, tf.float32) / 255, choice)
    assert result.dtype == tf.float32
    assert result.shape == image.shape
    return np.round(result.numpy() * 255).astype(int)


def luma(image):
    return np.round(image @ np.array([0.299, 0.587, 0.114]))[..., np.newaxis]


def smooth(image):
    """Every pixel 5 parts, its 8 neighbours 1 part each; the border is as it was."""
    result = image.astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (3, 3), (0, 1))
    result[1:-1, 1:-1] = (windows.sum((-2, -1)) + 4 * image[1:-1, 1:-1]) / 13
    return result


def equalized(channel):
    """Bin k goes to the number of darker pixels (and half a step), in steps of 255 levels."""
    histogram = np.bincount(channel.ravel(), minlength=256)
    step = (channel.size - histogram[np.nonzero(histogram)[0][-1]]) // 255
    darker = np.cumsum(histogram) - histogram
    return np.minimum((darker + step // 2) // step, 255)[channel]


def between(other, factor):
    return lambda image: np.clip(other(image) + factor * (image - other(image)), 0, 255)


def mean_grey(image):
    return np.full(image.shape, np.round(luma(image).mean()))


@pytest.mark.parametrize(
    ("step", "closed_form", "tolerance"),
    [
        (("Invert", 0.0), lambda image: 255 - image, 0),
        (("Posterize", 4.0), lambda image: image // 16 * 16, 0),
        (("Posterize", 5.3), lambda image: image // 8 * 8, 0),
        (("Posterize", 8.0), lambda image: image, 0),
        (("Solarize", 256.0), lambda image: image, 0),
        (("Solarize", 100.0), lambda image: np.where(image < 100, image, 255 - image), 0),
        (("Solarize", 0.0), lambda image: 255 - image, 0),
        (("Equalize", 0.0), lambda i: np.stack([equalized(c) for c in i.T], -1).swapaxes(0, 1), 0),
        (("Color", 0.0), lambda image: image, 0),
        (("Color", -1.0), lambda image: np.broadcast_to(luma(image), image.shape), 1),
        (("Color", 0.8), between(luma, 1.8), 2),
        (("Contrast", 0.0), lambda image: image, 0),
        (("Contrast", -1.0), mean_grey, 1),
        (("Contrast", -0.5), between(mean_grey, 0.5), 1),
        (("Contrast", 0.9), between(mean_grey, 1.9), 2),
        (("Sharpness", 0.0), lambda image: image, 0),
        (("Sharpness", -1.0), smooth, 1),
        (("Sharpness", 0.7), between(smooth, 1.7), 2),
        (("Rotate", 0.0), lambda image: image, 0),
        (("Rotate", 180.0), lambda image: image[::-1, ::-1], 0),
        (("ShearX", 0.0), lambda image: image, 0),
    ],
    ids=lambda value: f"{value[0]} {value[1]}" if isinstance(value, tuple) else "",
)
def test_operations_are_their_closed_forms(step, closed_form, tolerance):
    image = noise(60, 50).astype(int)
    difference = np.abs(applied(image, step) - closed_form(image))
    assert difference.max() <= tolerance


def test_autocontrast_stretches_each_channel_to_the_whole_range():
    ramp = np.arange(60, 162)
    image = np.stack([np.tile(ramp, (5, 1))] * 3, -1)
    image[..., 1] //= 2
    expected = np.floor((image - image.min((0, 1))) * 255 / np.ptp(image, (0, 1)))
    result = applied(image, ("AutoContrast", 0.0))
    assert np.abs(result - expected).max() <= 1
    assert {*result.min((0, 1)), *result.max((0, 1))} == {0, 255}


@pytest.mark.parametrize("degrees", [90.0, -90.0])
def test_turns_counter_clockwise(degrees):
    image = noise(40, 40)
    expected = np.rot90(image, 1 if degrees > 0 else -1)
    np.testing.assert_array_equal(applied(image, ("Rotate", degrees)), expected)


@pytest.mark.parametrize("share", [0.25, -0.25])
def test_shears_row_by_row_to_the_left_and_takes_grey_from_outside(share):
    image = noise(32, 40).astype(float)
    result = applied(image, ("ShearX", share))
    for row in range(32):
        sources = np.arange(40) + share * (row + 0.5)
        inside = (sources >= -0.5) & (sources < 39.5)
        assert np.abs(result[row, inside] - bicubic(image[row], sources[inside])).max() <= 1
        assert (result[row, ~inside] == 128).all()


def bicubic(line, places):
    """Keys's cubic convolution with a = -1, Pillow's choice, of a line that goes on at its ends."""
    first = np.floor(places).astype(int)
    result = 0.0
    for tap in (-1, 0, 1, 2):
        t = np.abs(places - first - tap)[:, np.newaxis]
        near, far = t**3 - 2 * t**2 + 1, -(t**3) + 5 * t**2 - 8 * t + 4
        result += np.where(t <= 1, near, far) * line[np.clip(first + tap, 0, len(line) - 1)]
    return np.clip(np.round(result), 0, 255)


def test_the_corners_of_a_turned_image_are_grey():
    result = applied(np.full((40, 40, 3), 255), ("Rotate", 30.0))
    assert (result[0, 0] == 128).all()
    assert (result[20, 20] == 255).all()


def test_steps_are_applied_one_after_the_other():
    image = noise(20, 30).astype(int)
    one = applied(image, ("Invert", 0.0), ("Solarize", 100.0))
    other = applied(image, ("Solarize", 100.0), ("Invert", 0.0))
    np.testing.assert_array_equal(one, np.where(image > 155, 255 - image, image))
    np.testing.assert_array_equal(other, 255 - np.where(image < 100, image, 255 - image))


def test_the_policy_is_the_paper_s_table_9():
    rows = read_table("auto_augment_table9_imagenet")
    steps = [
        tuple(
            Step(row[f"operation_{n}"], float(row[f"probability_{n}"]), int(row[f"level_{n}"]))
            for n in (1, 2)
        )
        for row in rows
    ]
    assert tuple(steps) == IMAGENET_POLICY
    assert {step.operation for pair in steps for step in pair} == set(OPERATIONS)


@pytest.mark.parametrize(
    ("operation", "levels"),
    [
        ("ShearX", np.linspace(0, 0.3, 10)),
        ("Rotate", np.linspace(0, 30, 10)),
        ("Solarize", np.linspace(256, 0, 10)),
        ("Contrast", np.linspace(0, 0.9, 10)),
        ("Color", np.linspace(0, 0.9, 10)),
        ("Sharpness", np.linspace(0, 0.9, 10)),
    ],
)
def test_magnitudes_are_linear_in_the_level(operation, levels):
    np.testing.assert_allclose([magnitude(operation, n) for n in range(10)], levels)


def test_bits_are_rounded():
    bits = [round(magnitude("Posterize", level)) for level in range(10)]
    assert bits == [8 - round(level / 9 * 4) for level in range(10)]


def draws(policy, count):
    """Operations and magnitudes, (count, 2) each, of as many keys."""
    keys = tf.random.split(tf.constant((3, 4)), count)
    output = Choice(tf.int32, tf.float32)
    choices = tf.function(
        lambda: tf.map_fn(lambda key: draw(key, policy), keys, fn_output_signature=output)
    )()
    return choices.operations.numpy(), choices.magnitudes.numpy()


def assert_frequency(happened, probability):
    """Within 4.5 standard errors, which fewer than one in 100,000 would leave by chance."""
    error = np.sqrt(probability * (1 - probability) / happened.shape[0])
    assert (np.abs(happened.mean(0) - probability) < 4.5 * error).all()


def test_sub_policies_are_uniform():
    # Twenty-five pairs that are known by their levels.
    policy = tuple(
        (Step("Solarize", 1.0, a), Step("Solarize", 1.0, b)) for a in range(5) for b in range(5)
    )
    _, magnitudes = draws(policy, 5000)
    levels = np.round((256 - magnitudes) * 9 / 256).astype(int)
    assert_frequency((levels @ [5, 1])[:, np.newaxis] == np.arange(25), np.full(25, 1 / 25))


def test_steps_and_signs_have_their_probabilities_and_are_independent():
    policy = ((Step("ShearX", 0.3, 9), Step("Color", 0.8, 5)),)
    operations, magnitudes = draws(policy, 5000)
    done, negative = operations >= 0, magnitudes < 0
    assert_frequency(done, np.array([0.3, 0.8]))
    assert_frequency(negative, np.array([0.5, 0.5]))
    assert_frequency(done.all(1), np.array(0.24))
    assert_frequency(negative.all(1), np.array(0.25))
    assert_frequency(done[:, 0] & negative[:, 0], np.array(0.15))
    np.testing.assert_allclose(np.unique(magnitudes), [-0.5, -0.3, 0.3, 0.5], rtol=1e-6)


def test_operations_without_a_sign_keep_theirs():
    policy = (
        (Step("Posterize", 1.0, 5), Step("Solarize", 1.0, 5)),
        (Step("Rotate", 1.0, 5), Step("Rotate", 1.0, 9)),
    )
    assert (draws(policy, 50)[1] > 0).all()


def test_probability_0_is_the_identity():
    policy = ((Step("Invert", 0.0, 0), Step("Equalize", 0.0, 0)),)
    image = noise().astype(np.float32) / 255
    for key in KEYS[:20]:
        np.testing.assert_array_equal(apply(tf.constant(image), draw(key, policy)), image)


def test_the_key_decides():
    image, box = noise().astype(np.float32) / 255, tf.constant((0.1, 0.2, 0.6, 0.7))
    results = set()
    for key in KEYS[:20]:
        one, its_box = augmentation.random_policy(image, box, key)
        again, same_box = augmentation.random_policy(image, box, key)
        np.testing.assert_array_equal(one, again)
        np.testing.assert_array_equal(its_box, same_box)
        results.add(one.numpy().tobytes())
    assert len(results) > 12


def test_grey_images_become_coloured_ones():
    image = tf.constant(noise()[..., :1] / 255, tf.float32)
    assert augmentation.random_policy(image, tf.zeros(4), KEYS[0])[0].shape == (40, 60, 3)


def test_the_box_follows_the_pixels(monkeypatch):
    moved = set()
    for name in ("Rotate", "ShearX", "Invert"):
        steps = (Step(name, 1.0, 9), Step("Color", 1.0, 9))
        chosen = functools.partial(draw, policy=(steps,))
        monkeypatch.setattr(augmentation.auto_augment, "draw", chosen)
        for key in KEYS[:6]:
            image, box = with_rectangle()
            image, moved_box = augmentation.random_policy(image / 255, box, key)
            pixels = 1 - image if name == "Invert" else image
            seen = box_of_pixels(pixels, 0.8)
            np.testing.assert_allclose(moved_box, seen, atol=0.015)
            moved.add((name, *np.round(seen, 2)))
    assert len(moved) == 4  # two signs of ShearX, one of the others


@pytest.mark.parametrize("operation", [ROTATE, SHEAR_X])
def test_no_box_stays_no_box(operation, monkeypatch):
    choice = Choice(tf.constant([operation, -1]), tf.constant([0.3, 0.0]))
    monkeypatch.setattr(augmentation.auto_augment, "draw", lambda _: choice)
    _, box = augmentation.random_policy(tf.zeros((20, 30, 3)), tf.zeros(4), KEYS[0])
    assert not box.numpy().any()


@pytest.mark.parametrize("source", ["scenes", "photos"])
def test_workers_do_not_change_the_batches(source, request):
    data = dataclasses.replace(request.getfixturevalue(source), auto_augment=True)
    one = train(data, data_workers=1)
    assert one[0].images.shape == (4, *data.image_size, 3)
    assert_same(one, train(data, data_workers=4))
    assert_same(one, train(data, data_workers=0))
    plain = train(data, auto_augment=False)
    assert (one[0].images != plain[0].images).numpy().any()


def test_batches_are_the_same_where_operations_must_be_deterministic(photos):
    expected = train(photos, auto_augment=True)
    tf.config.experimental.enable_op_determinism()
    try:
        assert_same(train(photos, auto_augment=True), expected)
    finally:
        disable_op_determinism()

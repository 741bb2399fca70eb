import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import augmentation, crops

KEYS = [tf.constant((index, 77), tf.int32) for index in range(100)]


def noise(height=40, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def with_rectangle(height=120, width=160, box=(0.25, 0.3, 0.65, 0.8)):
    """Black image with a white rectangle, and the rectangle's box."""
    image = np.zeros((height, width, 3), np.uint8)
    top, left, bottom, right = np.round(np.multiply(box, (height, width) * 2)).astype(int)
    image[top:bottom, left:right] = 255
    return tf.constant(image), tf.constant(box, tf.float32)


def box_of_pixels(image, threshold=0.5):
    """Box of the white pixels, as fractions."""
    height, width = image.shape[:2]
    rows, columns = np.nonzero(np.asarray(image)[..., 0] > threshold)
    return (
        rows.min() / height,
        columns.min() / width,
        (rows.max() + 1) / height,
        (columns.max() + 1) / width,
    )


def fraction(image):
    return tf.cast(image, tf.float32) / 255


def test_without_augmentation_only_bilinear_resize_remains():
    image = noise()
    box = tf.constant((0.1, 0.2, 0.3, 0.4))
    result, same = augmentation.augment(image, box, KEYS[0], DataConfig(image_size=(20, 20)))
    expected = tf.image.resize(image, (20, 20)) / 255
    np.testing.assert_allclose(result, expected, atol=1e-6)
    np.testing.assert_array_equal(same, box)


def test_an_image_of_the_right_size_keeps_its_pixels():
    image = noise(20, 24)
    result = augmentation.bilinear(image, (20, 24))
    assert result.dtype == tf.float32
    np.testing.assert_array_equal(result, image)


def test_bilinear_resize_has_half_pixel_centres_and_no_antialias():
    # Four to one: the middle of four pixels lies between the second and the third.
    image = tf.constant([0, 10, 20, 90], tf.uint8)[tf.newaxis, :, tf.newaxis]
    assert float(augmentation.bilinear(image, (1, 1))[0, 0, 0]) == 15


@pytest.mark.parametrize(
    "settings",
    [{}, {"least_crop_area": 0.08, "crop_aspect": 0.75}, {"crop_method": "random_resized_crop"}],
    ids=["TNet's", "smaller ones", "torchvision's"],
)
def test_crop_settings_are_those_of_the_data(settings):
    image, box, key = noise(200, 300), tf.constant((0.1, 0.2, 0.6, 0.7)), KEYS[0]
    data = DataConfig(image_size=(20, 20), random_crop=True, **settings)
    result, moved = augmentation.augment(image, box, key, data)
    # The crop's key is the first one, however many there are.
    limits = settings.get("least_crop_area", 0.85), settings.get("crop_aspect", 0.5)
    method = getattr(crops, settings.get("crop_method", "distorted_bounding_box"))
    crop, expected_box = method(image, box, tf.random.split(key, 6)[0], *limits)
    np.testing.assert_array_equal(result, augmentation.bilinear(crop, (20, 20)) / 255)
    np.testing.assert_array_equal(moved, expected_box)


@pytest.mark.parametrize("key", KEYS[:10])
@pytest.mark.parametrize(
    "augment",
    [
        crops.distorted_bounding_box,
        crops.random_resized_crop,
        augmentation.random_flip,
        lambda *arguments: augmentation.random_translation(*arguments, 0.2),
        lambda *arguments: augmentation.random_rotation(*arguments, 20.0),
    ],
    ids=["TensorFlow's crop", "torchvision's crop", "flip", "translation", "rotation"],
)
def test_box_follows_the_pixels(augment, key):
    image, box = with_rectangle()
    image, box = augment(fraction(image), box, key)
    np.testing.assert_allclose(box, box_of_pixels(image, 0.3), atol=0.015)


@pytest.mark.parametrize(
    "augment",
    [
        crops.distorted_bounding_box,
        crops.random_resized_crop,
        augmentation.random_flip,
        crops.crop_to_box,
        lambda *arguments: augmentation.random_translation(*arguments, 0.2),
        lambda *arguments: augmentation.random_rotation(*arguments, 20.0),
    ],
    ids=["TensorFlow's crop", "torchvision's crop", "flip", "box", "translation", "rotation"],
)
def test_no_box_stays_no_box(augment):
    image, _ = with_rectangle()
    keys = [] if augment is crops.crop_to_box else [KEYS[0]]
    _, box = augment(fraction(image), tf.zeros(4), *keys)
    np.testing.assert_array_equal(box, np.zeros(4))


def test_every_resize_method_is_used_and_none_leaves_the_range():
    image = noise()
    expected = {
        method: tf.image.resize(image, (24, 30), method, antialias=False).numpy().clip(0, 255)
        for method in augmentation.RESIZE_METHODS
    }
    used = set()
    for key in KEYS:
        result = augmentation.random_resize(image, (24, 30), key).numpy()
        assert result.shape == (24, 30, 3)
        used |= {name for name, pixels in expected.items() if np.allclose(result, pixels)}
    assert used == set(augmentation.RESIZE_METHODS)


def test_half_of_the_images_are_flipped():
    image, box = fraction(noise()), tf.constant((0.1, 0.2, 0.3, 0.5))
    flips = 0
    for key in KEYS:
        result, moved = augmentation.random_flip(image, box, key)
        if (result.numpy() == image.numpy()).all():
            np.testing.assert_array_equal(moved, box)
            continue
        flips += 1
        np.testing.assert_array_equal(result, image[:, ::-1])
        np.testing.assert_allclose(moved, (0.1, 0.5, 0.3, 0.8), atol=1e-6)
    assert 35 < flips < 65


def test_color_distortion_stays_in_range_and_sometimes_does_nothing():
    image = fraction(noise())
    results = [augmentation.distort_color(image, key).numpy() for key in KEYS]
    assert all(result.min() >= 0 and result.max() <= 1 for result in results)
    unchanged = sum(np.array_equal(result, image) for result in results)
    assert 8 <= unchanged <= 35  # one in five


# One pixel for brightness, saturation and hue; contrast needs another one beside it.
PIXELS = np.array([[[0.6, 0.5, 0.42], [0.4, 0.3, 0.26]]], np.float32)


def brightness(pixels):
    return (pixels - PIXELS)[0, 0, 0]


def contrast(pixels):
    return (pixels[0, 0, 0] - pixels[0, 1, 0]) / (PIXELS[0, 0, 0] - PIXELS[0, 1, 0])


def saturation(pixels):
    return colorsys.rgb_to_hsv(*pixels[0, 0])[1] / colorsys.rgb_to_hsv(*PIXELS[0, 0])[1]


def hue(pixels):
    turn = colorsys.rgb_to_hsv(*pixels[0, 0])[0] - colorsys.rgb_to_hsv(*PIXELS[0, 0])[0]
    return (turn + 0.5) % 1 - 0.5


@pytest.mark.parametrize(
    ("name", "measured", "least", "most"),
    [
        ("brightness", brightness, -32 / 255, 32 / 255),
        ("saturation", saturation, 0.5, 1.5),
        ("hue", hue, -0.2, 0.2),
        ("contrast", contrast, 0.5, 1.5),
    ],
)
def test_colors_change_as_far_as_published_and_no_further(name, measured, least, most, monkeypatch):
    monkeypatch.setattr(augmentation, "COLOR_ORDERS", ((name,),))
    keys = tf.random.split(tf.constant((1, 2)), 400)
    distort = tf.function(lambda: tf.map_fn(one_distorted, keys, fn_output_signature=tf.float32))
    changes = [measured(pixels) for pixels in distort().numpy()]
    # Of 400 uniform draws, the outermost ones lie within 2% of the limits.
    slack = 0.02 * (most - least)
    assert least - 1e-3 <= min(changes) < least + slack
    assert most - slack < max(changes) <= most + 1e-3


def one_distorted(key):
    return augmentation.distort_color(tf.constant(PIXELS), key)


def test_the_orders_of_color_changes_are_four():
    """No two begin or end alike, and the fifth is to leave the colours as they are."""
    *orders, nothing = augmentation.COLOR_ORDERS
    assert nothing == ()
    assert len(orders) == 4
    for order in orders:
        assert sorted(order) == ["brightness", "contrast", "hue", "saturation"]
    assert len({order[0] for order in orders}) == len(set(orders)) == 4


def test_grey_images_become_coloured_ones_when_distorted():
    image = fraction(noise())[..., :1]
    assert augmentation.distort_color(image, KEYS[0]).shape == (40, 60, 3)


@pytest.mark.parametrize("limit, moved", [(0.0, False), (0.3, True)])
def test_translation_reaches_its_limit_and_not_more(limit, moved):
    image, box = with_rectangle(100, 100, (0.4, 0.4, 0.6, 0.6))
    shifts = [
        augmentation.random_translation(fraction(image), box, key, limit)[1].numpy() - box.numpy()
        for key in KEYS
    ]
    assert np.abs(shifts).max() <= limit + 1e-6
    assert (np.abs(shifts).max() > 0.8 * limit) == moved


def test_rotation_by_nothing_is_the_identity():
    image, box = with_rectangle()
    result, same = augmentation.random_rotation(fraction(image), box, KEYS[0], 0.0)
    np.testing.assert_allclose(result, fraction(image), atol=1e-5)
    np.testing.assert_allclose(same, box, atol=1e-6)


ALL = DataConfig(
    image_size=(32, 48),
    random_crop=True,
    random_resize=True,
    random_flip=True,
    color_distortion=True,
    translation=0.1,
    rotation=20.0,
)


def test_key_decides_everything():
    image, box = noise(), tf.constant((0.1, 0.2, 0.6, 0.7))
    augment = tf.function(lambda key: augmentation.augment(image, box, key, ALL))
    first, again, other = augment(KEYS[0]), augment(KEYS[0]), augment(KEYS[1])
    assert first[0].shape == (32, 48, 3)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).numpy().any()
    assert first[0].numpy().min() >= 0
    assert first[0].numpy().max() <= 1 + 1e-6


@pytest.mark.parametrize("setting", ["least_crop_area", "crop_aspect"])
@pytest.mark.parametrize("value", [0.0, -0.5, 1.1, float("nan")])
def test_crop_settings_out_of_range_are_named(setting, value):
    with pytest.raises(UserError, match=f"--{setting}"):
        DataConfig(**{setting: value}).check()

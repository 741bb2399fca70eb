import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import augmentation

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


@pytest.mark.parametrize("key", KEYS[:10])
def test_crop_keeps_85_percent_and_the_aspect_in_range(key):
    result, _ = augmentation.random_crop(noise(200, 300), tf.zeros(4), key)
    height, width, channels = result.shape
    assert channels == 3
    assert 0.84 <= height * width / (200 * 300) <= 1
    assert 0.5 <= width / height <= 2


def test_crop_settings_reach_their_limits():
    # As torchvision's RandomResizedCrop: 8 to 100% of the area, aspect 3/4 to 4/3.
    sizes = [
        augmentation.random_crop(noise(200, 200), tf.zeros(4), key, 0.08, 0.75)[0].shape
        for key in KEYS
    ]
    areas = np.array([height * width / 200**2 for height, width, _ in sizes])
    aspects = np.array([width / height for height, width, _ in sizes])
    assert 0.075 < areas.min() < 0.2
    assert 0.8 < areas.max() <= 1
    assert 0.73 < aspects.min() < 0.8
    assert 1.25 < aspects.max() < 1.37


@pytest.mark.parametrize("settings", [{}, {"crop_area": 0.08, "crop_aspect": 0.75}])
def test_crop_settings_are_those_of_the_data(settings):
    image, box, key = noise(200, 300), tf.constant((0.1, 0.2, 0.6, 0.7)), KEYS[0]
    data = DataConfig(image_size=(20, 20), random_crop=True, **settings)
    result, moved = augmentation.augment(image, box, key, data)
    # The crop's key is the first one, however many there are.
    crop, expected_box = augmentation.random_crop(
        image, box, tf.random.split(key, 6)[0], *settings.values()
    )
    np.testing.assert_array_equal(result, augmentation.bilinear(crop, (20, 20)) / 255)
    np.testing.assert_array_equal(moved, expected_box)


def test_crops_differ():
    sizes = {augmentation.random_crop(noise(200, 200), tf.zeros(4), key)[0].shape for key in KEYS}
    assert len(sizes) > 20


@pytest.mark.parametrize("key", KEYS[:20])
def test_crop_keeps_a_tenth_of_a_box_in_the_corner(key):
    image, box = with_rectangle(200, 200, (0.0, 0.0, 0.1, 0.1))
    result, moved = augmentation.random_crop(image, box, key)
    np.testing.assert_allclose(moved, box_of_pixels(result, 128), atol=0.01)
    assert (np.asarray(result)[..., 0] > 0).sum() >= 0.1 * 20 * 20 - 1


@pytest.mark.parametrize("key", KEYS[:10])
@pytest.mark.parametrize(
    "augment",
    [
        augmentation.random_crop,
        augmentation.random_flip,
        lambda *arguments: augmentation.random_translation(*arguments, 0.2),
        lambda *arguments: augmentation.random_rotation(*arguments, 20.0),
    ],
    ids=["crop", "flip", "translation", "rotation"],
)
def test_box_follows_the_pixels(augment, key):
    image, box = with_rectangle()
    image, box = augment(fraction(image), box, key)
    np.testing.assert_allclose(box, box_of_pixels(image, 0.3), atol=0.015)


@pytest.mark.parametrize(
    "augment",
    [
        augmentation.random_crop,
        augmentation.random_flip,
        augmentation.crop_to_box,
        lambda *arguments: augmentation.random_translation(*arguments, 0.2),
        lambda *arguments: augmentation.random_rotation(*arguments, 20.0),
    ],
    ids=["crop", "flip", "box", "translation", "rotation"],
)
def test_no_box_stays_no_box(augment):
    image, _ = with_rectangle()
    keys = [] if augment is augmentation.crop_to_box else [KEYS[0]]
    _, box = augment(fraction(image), tf.zeros(4), *keys)
    np.testing.assert_array_equal(box, np.zeros(4))


def test_a_box_that_leaves_the_image_is_none():
    box = tf.constant((0.0, 0.0, 0.01, 0.01))
    assert not augmentation.clip_box(box - 0.5).numpy().any()


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


def test_box_of_a_quarter_turn():
    # Counter-clockwise: what is right goes up. A box in the right half of a square, near its edge.
    box = augmentation.rotate_box(
        tf.constant((0.4, 0.8, 0.6, 0.9)),
        tf.constant(np.pi / 2, tf.float32),
        *tf.constant((50.0, 50.0)),
    )
    np.testing.assert_allclose(box, (0.1, 0.4, 0.2, 0.6), atol=1e-6)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, (0.2, 0.2, 0.6, 0.8)), (-0.5, (0.2, 0.6, 0.6, 1.0)), (0.0, (0.2, 0.5, 0.6, 0.9))],
)
def test_box_of_a_shear(share, expected):
    # Its first row moves by 0.1, its last one by 0.3 of the width.
    box = augmentation.shear_box(tf.constant((0.2, 0.5, 0.6, 0.9)), tf.constant(share))
    np.testing.assert_allclose(box, expected, atol=1e-6)


def test_crop_to_box_shows_the_rectangle_alone():
    image, box = with_rectangle()
    region, whole = augmentation.crop_to_box(image, box)
    assert region.shape == (48, 80, 3)
    assert region.numpy().min() == 255
    np.testing.assert_array_equal(whole, (0, 0, 1, 1))


def test_crop_to_box_keeps_images_without_box():
    image, _ = with_rectangle()
    np.testing.assert_array_equal(augmentation.crop_to_box(image, tf.zeros(4))[0], image)


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


@pytest.mark.parametrize("setting", ["crop_area", "crop_aspect"])
@pytest.mark.parametrize("value", [0.0, -0.5, 1.1, float("nan")])
def test_crop_settings_out_of_range_are_named(setting, value):
    with pytest.raises(UserError, match=f"--{setting}"):
        DataConfig(**{setting: value}).check()

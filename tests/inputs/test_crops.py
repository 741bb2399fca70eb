import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from tests.inputs.test_augmentation import KEYS, box_of_pixels, noise, with_rectangle
from tnet_tf.config import DataConfig
from tnet_tf.inputs import crops

CORNER = tf.constant((0.0, 0.0, 0.1, 0.1))


def drawn(method, height, width, count=2000, box=None):
    """Sizes and first pixels, (count, 2) each, of as many crops of an image of that shape."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    image = tf.constant(np.stack([rows, columns], axis=-1), tf.int32)
    box = tf.zeros(4) if box is None else box
    keys = tf.random.split(tf.constant((5, 6)), count)

    def one(key):
        crop, _ = method(image, box, key, 0.08, 0.75)
        return tf.shape(crop)[:2], crop[0, 0]

    output = (tf.int32, tf.int32)
    sizes, begins = tf.function(lambda: tf.map_fn(one, keys, fn_output_signature=output))()
    return sizes.numpy(), begins.numpy()


def areas_that_fit(height, width, points=800):
    """Shares of the area of torchvision's draws, nan where one does not fit, on a fine grid."""
    shares = np.linspace(0.08, 1, points)[:, np.newaxis]
    aspects = np.exp(np.linspace(math.log(3 / 4), math.log(4 / 3), points))
    wide = np.sqrt(shares * height * width * aspects) <= width + 0.5
    high = np.sqrt(shares * height * width / aspects) <= height + 0.5
    return np.where(wide & high, shares, np.nan)


def test_methods_are_those_of_the_setting():
    (field,) = (f for f in dataclasses.fields(DataConfig) if f.name == "crop_method")
    assert tuple(crops.RANDOM_CROPS) == field.metadata["choices"]


@pytest.mark.parametrize("key", KEYS[:10])
def test_tensorflow_s_crop_keeps_85_percent_and_the_aspect_in_range(key):
    result, _ = crops.distorted_bounding_box(noise(200, 300), tf.zeros(4), key)
    height, width, channels = result.shape
    assert channels == 3
    assert 0.84 <= height * width / (200 * 300) <= 1
    assert 0.5 <= width / height <= 2


def test_tensorflow_s_crops_differ():
    image = noise(200, 200)
    results = [crops.distorted_bounding_box(image, tf.zeros(4), key)[0] for key in KEYS]
    assert len({result.shape for result in results}) > 20


@pytest.mark.parametrize("key", KEYS[:20])
def test_tensorflow_s_crop_keeps_a_tenth_of_a_box_in_the_corner(key):
    image, box = with_rectangle(200, 200, CORNER)
    result, moved = crops.distorted_bounding_box(image, box, key)
    np.testing.assert_allclose(moved, box_of_pixels(result, 128), atol=0.01)
    assert (np.asarray(result)[..., 0] > 0).sum() >= 0.1 * 20 * 20 - 1


@pytest.mark.parametrize(("width", "cropped"), [(220, True), (240, False)])
def test_tensorflow_s_crop_leaves_long_images_whole(width, cropped):
    """Of 1 : 2.35 the largest crop of aspect 2 has 85% of the area."""
    image = noise(100, width)
    results = [crops.distorted_bounding_box(image, tf.zeros(4), key)[0] for key in KEYS[:20]]
    assert [result.shape != image.shape for result in results] == [cropped] * 20


def test_the_mean_area_on_a_square_is_torchvision_s():
    """In closed form: areas below e^-t, where the logarithm t of the aspect is uniform."""
    limit = math.log(4 / 3)
    squares = (1 - math.exp(-2 * limit)) / 2 - 0.08**2 * limit
    expected = squares / 2 / (1 - math.exp(-limit) - 0.08 * limit)
    sizes, _ = drawn(crops.random_resized_crop, 200, 200)
    areas = sizes.prod(axis=1) / 200**2
    assert round(expected, 2) == 0.48
    # Four standard errors, and what rounding to pixels may do.
    assert abs(areas.mean() - expected) < 4 * areas.std() / math.sqrt(len(areas)) + 0.002


@pytest.mark.parametrize("shape", [(180, 240), (240, 160)], ids=["4 to 3", "2 to 3"])
def test_areas_and_aspects_are_distributed_as_torchvision_s(shape):
    sizes, _ = drawn(crops.random_resized_crop, *shape)
    areas, aspects = sizes.prod(axis=1) / math.prod(shape), sizes[:, 1] / sizes[:, 0]
    fitting = areas_that_fit(*shape)
    expected = np.nanpercentile(fitting, [10, 25, 50, 75, 90])
    np.testing.assert_allclose(np.percentile(areas, [10, 25, 50, 75, 90]), expected, atol=0.04)
    assert areas.min() == pytest.approx(0.08, abs=0.01)
    assert aspects.min() == pytest.approx(3 / 4, abs=0.03)
    assert aspects.max() == pytest.approx(4 / 3, abs=0.05)


def test_places_are_uniform():
    height, width = 60, 80
    sizes, begins = drawn(crops.random_resized_crop, height, width)
    free = (height, width) - sizes
    assert (begins >= 0).all() and (begins <= free).all()
    shares = begins[(free > 20).all(axis=1)] / free[(free > 20).all(axis=1)]
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.04)
    np.testing.assert_allclose(shares.std(axis=0), math.sqrt(1 / 12), atol=0.03)
    for edge in (0, 1):
        assert (shares == edge).any(axis=0).all()


def test_after_ten_tries_the_crop_is_central():
    height, width = 40, 260
    misses = np.isnan(areas_that_fit(height, width)).mean() ** 10
    sizes, begins = drawn(crops.random_resized_crop, height, width)
    largest = (height, round(height * 4 / 3))
    middle = (0, (width - largest[1]) // 2)
    central = ((sizes == largest) & (begins == middle)).all(axis=1)
    assert 0.05 < misses < 0.95
    assert central.mean() == pytest.approx(misses, abs=0.05)


@pytest.mark.parametrize(
    ("shape", "size", "begin"), [((4, 400), (4, 5), (0, 197)), ((400, 4), (5, 4), (197, 0))]
)
def test_images_to_which_no_draw_fits_are_cropped_centrally(shape, size, begin):
    sizes, begins = drawn(crops.random_resized_crop, *shape, count=20)
    np.testing.assert_array_equal(sizes, [size] * 20)
    np.testing.assert_array_equal(begins, [begin] * 20)


def test_a_box_does_not_change_torchvision_s_crop():
    for one, other in zip(
        drawn(crops.random_resized_crop, 60, 80, 50),
        drawn(crops.random_resized_crop, 60, 80, 50, CORNER),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("share", "margin"),
    [
        (1.0, 0.15),
        (0.5, 0.15),
        (0.48, 0.2),
        (0.4, 0.2),
        (0.39, 0.3),
        (0.3, 0.3),
        (0.29, 0.5),
        (0.2, 0.5),
        (0.19, 1.0),
        (0.1, 1.0),
        (0.09, 2.0),
        (0.02, 2.0),
    ],
)
def test_the_smaller_the_box_the_more_of_its_surroundings_is_shown(share, margin):
    # A box in the middle, 100 px high, of an image of 400 x 600.
    image, sides = np.zeros((400, 600, 3), np.uint8), np.array([100, 600 * share])
    centre = np.array([200, 300])
    pixels = np.concatenate([centre - sides / 2, centre + sides / 2])
    box = tf.constant(pixels / (400, 600, 400, 600), tf.float32)
    region, moved = crops.crop_to_box(image, box)
    wanted = np.minimum(sides * (1 + margin), (400, 600))
    assert (np.abs(region.shape[:2] - wanted) <= 2).all()
    # The box stays in the middle.
    np.testing.assert_allclose(moved[:2] + moved[2:], (1, 1), atol=0.02)
    np.testing.assert_allclose(moved[2:] - moved[:2], sides / region.shape[:2], atol=1e-4)


def test_the_region_of_a_box_takes_in_all_pixels_that_it_touches():
    # 48 rows from 30, 80 columns from 48, half of the width: 3.6 and 6 pixels more on each side.
    image, box = with_rectangle()
    region, moved = crops.crop_to_box(image, box)
    np.testing.assert_array_equal(region, image[26:82, 42:134])
    np.testing.assert_allclose(moved, box_of_pixels(region), atol=1e-5)


def test_the_image_clips_the_region_of_a_box():
    image, _ = with_rectangle(100, 100)
    region, moved = crops.crop_to_box(image, tf.constant((0.9, 0.0, 1.0, 0.05)))
    np.testing.assert_array_equal(region, image[80:, :10])
    np.testing.assert_allclose(moved, (0.5, 0, 1, 0.5), atol=1e-5)


@pytest.mark.parametrize("corner", [0.0, 0.5, 0.99999])
def test_no_box_is_too_small_to_be_shown(corner):
    image, _ = with_rectangle(10, 10)
    box = tf.constant((corner, corner, corner + 1e-5, corner + 1e-5))
    region, _ = crops.crop_to_box(image, box)
    assert min(region.shape) > 0


def test_crop_to_box_keeps_images_without_box():
    image, _ = with_rectangle()
    np.testing.assert_array_equal(crops.crop_to_box(image, tf.zeros(4))[0], image)

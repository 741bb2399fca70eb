import io
import itertools

import numpy as np
import pytest
from PIL import Image

from tests.robustness.pictures import by_severity, floats, grey, photos
from tnet_tf.robustness.corruptions import CORRUPTIONS, corrupt


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_changes_more_at_severity_5_than_at_1(name):
    images = photos(3)
    weak, strong = (
        np.abs(floats(corrupt(images, name, severity, seed=0)) - images).mean()
        for severity in (1, 5)
    )
    assert 0.5 < weak < strong


def test_motion_blur_darkens_only_images_that_it_reaches_across():
    narrow, wide = (corrupt(grey(200, side, side), "motion_blur", 5, 0) for side in (32, 41))
    assert 0.96 * 200 < narrow.max() < 199
    assert wide.min() >= 199


@pytest.mark.parametrize("severity, deviation", [(1, 0.08), (2, 0.12)])
def test_standard_deviation_of_gaussian_noise(severity, deviation):
    noise = floats(corrupt(grey(128, 128, 128), "gaussian_noise", severity, seed=0)) - 128
    assert noise.std() == pytest.approx(255 * deviation, rel=0.02)
    assert noise.mean() == pytest.approx(-0.5, abs=0.5)  # Values are truncated.


@pytest.mark.parametrize("severity, photons", [(1, 60), (2, 25)])
def test_shot_noise_is_that_of_counted_photons(severity, photons):
    result = floats(corrupt(grey(102, 128, 128), "shot_noise", severity, seed=0)) / 255
    counts = result * photons
    np.testing.assert_allclose(counts, np.round(counts), atol=photons / 255)
    assert result.std() == pytest.approx(np.sqrt(0.4 / photons), rel=0.03)
    assert result.mean() == pytest.approx(0.4, abs=0.005)


@pytest.mark.parametrize("severity, share", by_severity(0.03, 0.06, 0.09, 0.17, 0.27))
def test_share_of_impulse_noise(severity, share):
    result = corrupt(grey(128, 128, 128), "impulse_noise", severity, seed=0)
    assert set(np.unique(result)) == {0, 128, 255}
    assert (result != 128).mean() == pytest.approx(share, rel=0.05)
    assert (result == 255).mean() == pytest.approx(share / 2, rel=0.08)


@pytest.mark.parametrize("severity, radius", by_severity(3, 4, 6, 8, 10))
def test_defocus_spreads_an_edge_by_a_disk(severity, radius):
    image = grey(0)
    image[:, :, 32:] = 255
    inside = [x for x, y in itertools.product(range(-10, 11), repeat=2) if x**2 + y**2 <= radius**2]
    shares = [np.mean([column + x >= 32 for x in inside]) for column in range(12, 52)]
    result = corrupt(image, "defocus_blur", severity, seed=0)[0, 32, 12:52, 1]
    np.testing.assert_allclose(result / 255, shares, atol=0.03)


def test_snow_brightens():
    # Where no flake falls, a fifth of black is replaced by grey.
    result = corrupt(grey(0), "snow", 1, seed=0)
    assert result.min() == int(0.2 * 0.5 * 255)
    assert result.max() > 80


def test_frost_is_a_weighted_sum_of_image_and_picture():
    dark, image = grey(0), photos(1) // 2
    picture = floats(corrupt(dark, "frost", 1, seed=0))
    result = corrupt(image, "frost", 1, seed=0)
    assert 5 < picture.mean() < 0.4 * 255
    np.testing.assert_allclose(result, np.minimum(image + picture, 255), atol=1)


@pytest.mark.parametrize("severity, density", by_severity(1.5, 2.0, 2.5, 2.5, 3.0))
def test_fog_reaches_from_none_to_its_density(severity, density):
    # The map of 64 x 64 values is scaled to 0 to 1, and brightness by the brightest before it.
    level = 204 / 255
    result = corrupt(grey(204), "fog", severity, seed=0)
    scale = 255 * level / (level + density)
    assert result.min() == int(level * scale)
    assert result.max() == pytest.approx((level + density) * scale, abs=1)


@pytest.mark.parametrize("severity, more", by_severity(0.1, 0.2, 0.3, 0.4, 0.5))
def test_brightness_is_added_to_the_value_of_hsv(severity, more):
    image = photos(1)
    image[:, :2] = 0
    image[:, 2:4] = (255, 0, 90)
    value = floats(image).max(-1, keepdims=True)
    brighter = np.minimum(value + 255 * more, 255)
    # Hue and saturation stay: all channels grow by the same factor, and black becomes grey.
    expected = np.where(value == 0, brighter, image * brighter / np.maximum(value, 1))
    np.testing.assert_allclose(corrupt(image, "brightness", severity, 0), expected, atol=1)


@pytest.mark.parametrize("severity, factor", by_severity(0.4, 0.3, 0.2, 0.1, 0.05))
def test_contrast_shrinks_towards_the_mean_of_each_channel(severity, factor):
    image = photos(1)
    mean = image.mean((1, 2), keepdims=True)
    expected = mean + factor * (image - mean)
    np.testing.assert_allclose(corrupt(image, "contrast", severity, 0), expected, atol=1)


@pytest.mark.parametrize("severity, block", [(2, 2), (5, 4)])
def test_pixelate_shows_means_of_blocks(severity, block):
    image = photos(1, 64, 96)
    blocks = image.reshape(1, 64 // block, block, 96 // block, block, 3)
    expected = np.broadcast_to(blocks.mean((2, 4), keepdims=True), blocks.shape)
    result = corrupt(image, "pixelate", severity, 0)
    np.testing.assert_allclose(result, expected.reshape(image.shape), atol=1)


@pytest.mark.parametrize("severity, quality", by_severity(25, 18, 15, 10, 7))
def test_jpeg_is_that_of_pillow(severity, quality):
    image = photos(1)
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, "JPEG", quality=quality)
    result = corrupt(image, "jpeg_compression", severity, 0)[0]
    np.testing.assert_array_equal(result, np.asarray(Image.open(file)))

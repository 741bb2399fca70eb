import concurrent.futures
import io
import itertools
import random
import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage
import skimage.filters
from PIL import Image

from tnet_tf.errors import UserError
from tnet_tf.robustness import corruptions
from tnet_tf.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt

WITHOUT_CHANCE = {
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
}


def photos(count=2, height=64, width=64):
    """Coloured clouds with fine structure, different ones."""
    noise = np.random.default_rng(0).normal(size=(count, height, width, 3))
    clouds = sum(
        scale * scipy.ndimage.gaussian_filter(noise, (0, scale, scale, 0.3)) for scale in (1, 4, 8)
    )
    return np.clip(120 + 60 * clouds, 0, 255).astype(np.uint8)


def grey(value=128, height=64, width=64):
    return np.full((1, height, width, 3), value, np.uint8)


def by_severity(*values):
    return list(zip(SEVERITIES, values, strict=True))


def floats(images):
    return images.astype(np.float64)


@pytest.fixture(scope="module")
def library():
    corrupt(grey(), "contrast", 1, seed=0)  # It can be imported once we mended it.
    import imagecorruptions

    return imagecorruptions


def test_names_are_the_librarys_in_its_order(library):
    assert library.get_corruption_names("common") == list(CORRUPTIONS)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_0_is_the_identity(name):
    images = photos()
    result = corrupt(images, name, 0, seed=0)
    np.testing.assert_array_equal(result, images)
    result[:] = 0
    assert images.any()


def test_no_images_stay_no_images():
    assert corrupt(grey()[:0], "fog", 1, seed=0).shape == (0, 64, 64, 3)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_does_not_depend_on_its_batch_or_on_global_randomness(name):
    images = photos(3)
    np.random.seed(1)
    together = corrupt(images, name, 3, seed=7, first=5)
    np.random.seed(2)
    alone = corrupt(images[2:], name, 3, seed=7, first=7)
    np.testing.assert_array_equal(together[2:], alone)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_global_randomness_stays_as_it_was(name):
    np.random.seed(3)
    random.seed(3)
    expected, also_expected = np.random.uniform(size=4), random.random()
    np.random.seed(3)
    random.seed(3)
    corrupt(photos(), name, 2, seed=0)
    np.testing.assert_array_equal(np.random.uniform(size=4), expected)
    assert random.random() == also_expected


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_seed_and_place_decide_what_is_random(name):
    image = photos(1)
    twice = corrupt(np.concatenate([image, image]), name, 4, seed=0)
    other = corrupt(image, name, 4, seed=1)
    same = name in WITHOUT_CHANCE
    assert np.array_equal(twice[0], twice[1]) == same
    assert np.array_equal(twice[0], other[0]) == same


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "glass_blur", "fog"])
def test_threads_do_not_disturb_each_other(name):
    images = photos(8, 96, 96)
    expected = corrupt(images, name, 2, seed=0)
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        results = executor.map(
            lambda place: corrupt(images[place : place + 1], name, 2, 0, place), range(8)
        )
        np.testing.assert_array_equal(np.concatenate(list(results)), expected)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_changes_more_at_severity_5_than_at_1(name):
    images = photos(3)
    weak, strong = (
        np.abs(floats(corrupt(images, name, severity, seed=0)) - images).mean()
        for severity in (1, 5)
    )
    assert 0.5 < weak < strong


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("height, width", [(32, 32), (33, 70), (100, 48)])
def test_any_size_works_and_no_value_leaves_its_range(library, name, height, width):
    function = getattr(library.corruptions, name)
    np.random.seed(0)
    for value, severity in itertools.product((0, 255), (1, 5)):
        result = np.asarray(function(Image.fromarray(grey(value, height, width)[0]), severity))
        assert result.shape == (height, width, 3)
        assert result.min() >= 0
        assert result.max() < 256
    assert corrupt(photos(1, height, width), name, 3, seed=0).shape == (1, height, width, 3)


@pytest.mark.parametrize("height, width", [(330, 920), (620, 240), (620, 920)])
def test_frost_covers_images_larger_than_its_pictures(height, width):
    result = corrupt(np.repeat(grey(0, height, width), 4, axis=0), "frost", 5, seed=0)
    assert (result[:, -8:].mean((1, 2, 3)) > 10).all()
    assert (result[:, :, -8:].mean((1, 2, 3)) > 10).all()


@pytest.mark.parametrize(
    "name",
    [
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "contrast",
        "elastic_transform",
        "pixelate",
        "jpeg_compression",
    ],
)
def test_what_only_moves_or_mixes_pixels_leaves_grey_alone(name):
    for severity in SEVERITIES:
        np.testing.assert_allclose(corrupt(grey(), name, severity, seed=0), 128, atol=1)


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


@pytest.mark.parametrize("severity", SEVERITIES)
def test_glass_blur_is_the_librarys_to_the_bit(library, monkeypatch, severity):
    def gaussian(image, sigma, multichannel):
        return skimage.filters.gaussian(image, sigma, channel_axis=-1 if multichannel else None)

    monkeypatch.setattr(library.corruptions, "gaussian", gaussian)
    theirs, ours = library.corruption_dict["glass_blur"], library.corruptions.glass_blur
    assert theirs is not ours
    image = Image.fromarray(photos(1, 32, 44)[0])
    results = []
    for function in (theirs, ours):
        np.random.seed(0)
        results.append(function(image, severity))
    np.testing.assert_array_equal(*results)


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


@pytest.mark.parametrize(
    "images, name, severity, message",
    [
        (grey(), "rain", 1, "--corruptions=rain is unknown; there are gaussian_noise, shot"),
        (grey(), "saturate", 1, "--corruptions=saturate is unknown"),  # The library has it.
        (grey(), "fog", 6, "--severities=6 is unknown; there are 1, 2, 3, 4, 5, and 0 for none"),
        (grey(), "fog", -1, "--severities=-1 is unknown"),
        (grey(0, 31, 64), "fog", 1, "--corruptions=fog needs images of at least 32x32 pixels, not"),
        (grey(0, 64, 31), "fog", 0, "not 64x31"),
        (grey()[..., :1], "fog", 1, "--corruptions=fog needs images with 3 channels, not 1"),
    ],
)
def test_errors(images, name, severity, message):
    with pytest.raises(UserError, match=message):
        corrupt(images, name, severity, seed=0)


def test_the_missing_library_is_named_with_its_remedy(monkeypatch):
    corruptions.check_installed()
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(UserError, match=r"run: pip install -e '\.\[robustness\]'"):
        corruptions.check_installed()
    with pytest.raises(UserError, match="--corruptions needs packages"):
        corrupt(grey(), "fog", 1, seed=0)


def test_imported_on_first_use_without_pkg_resources_and_the_old_part_of_scipy():
    script = """
import sys, warnings
from tnet_tf.robustness import corruptions
assert "imagecorruptions" not in sys.modules
import numpy as np, scipy.ndimage
gone = ("pkg_resources", "scipy.ndimage.interpolation")
sys.modules.update({name: None for name in gone})
warnings.simplefilter("error")
image = np.full((1, 32, 32, 3), 9, np.uint8)
for name in ("frost", "elastic_transform"):
    assert corruptions.corrupt(image, name, 5, seed=0).shape == image.shape
assert [sys.modules[name] for name in gone] == [None, None]
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

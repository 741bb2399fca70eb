import concurrent.futures
import itertools
import random
import subprocess
import sys

import numpy as np
import pytest
import skimage.filters
from PIL import Image

from tests.robustness.pictures import grey, photos
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

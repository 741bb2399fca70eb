import numpy as np
import pytest
import tensorflow as tf

from tests.images.kinds import picture
from tnet_tf.images.arrays import ArraySource
from tnet_tf.images.regions import Corners, Rectangle, whole
from tnet_tf.images.source import Size, Source
from tnet_tf.images.view import view
from tnet_tf.layers import glimpses, grid, pixels

IMAGE = picture(90, 120)


class Tiles(Source):
    """An image of constant tiles that remembers which windows were asked for."""

    def __init__(self, sides, tile, levels=1):
        sizes = [Size(*(-(-side // 2**level) for side in sides)) for level in range(levels)]
        super().__init__("tiles", sizes, [Size(*tile)] * levels, 1, np.dtype(np.uint8))
        self.windows = []

    def _read(self, level, top, left, height, width):
        self.windows.append((level, top, left, height, width))
        return np.zeros((height, width, 1), np.uint8)


def symmetric(pixels):
    return pixels.astype(np.float64) / 127.5 - 1


def test_rectangles_are_sampled_as_the_regions_of_tnet():
    images = tf.constant(IMAGE[np.newaxis])
    level = grid.whole_images(1, (90, 120))
    source = ArraySource(IMAGE)
    for cell, cells in ((0.35, range(25)), (0.05, (0, 24)), (0.8, (0, 4, 12, 24))):
        regions = grid.attended_regions(level, tf.constant([list(cells)]), 5, cell)
        expected = pixels.crop_and_resize(images, regions, (17, 23)).numpy()
        for number, view_of in enumerate(expected):
            rectangle = Rectangle(
                int(regions.top[number]),
                int(regions.left[number]),
                int(regions.height),
                int(regions.width),
                tuple(regions.bounds[number].numpy()),
            )
            seen = view(source, rectangle, (17, 23))
            np.testing.assert_allclose(seen, view_of, atol=2e-4)


def test_a_region_of_its_own_resolution_is_left_as_it_is():
    seen = view(ArraySource(IMAGE), Rectangle(7, 9, 20, 30), (20, 30))
    np.testing.assert_allclose(seen, symmetric(IMAGE[7:27, 9:39]), atol=1e-6)


@pytest.mark.parametrize("resolution", [(11, 30), (1, 1)])
def test_corners_are_sampled_as_the_glimpses_of_mgnet(resolution):
    affine = np.array([[0.5, 0.3, -0.2], [0.1, 0.9, 0.9], [1.0, 0.0, 0.0]], np.float32)
    images = tf.repeat(IMAGE[np.newaxis], 3, axis=0)
    expected = glimpses.sample_glimpses(images, tf.constant(affine), resolution).numpy()
    for (scale, x, y), view_of in zip(affine.astype(float), expected, strict=True):
        ends = (y - scale, x - scale, y + scale, x + scale)
        corners = Corners(*((end + 1) / 2 for end in ends))
        seen = view(ArraySource(IMAGE), corners, resolution)
        np.testing.assert_allclose(seen, view_of, atol=1e-3)


def test_antialiased_samples_are_means_of_equal_parts():
    """Each pixel is repeated until parts have whole ones."""
    parts = np.repeat(np.repeat(IMAGE, 7, axis=0), 11, axis=1)
    expected = parts.reshape(7, 90, 11, 120, 3).mean(axis=(1, 3))
    seen = view(ArraySource(IMAGE), whole((90, 120)), (7, 11), antialias=True)
    np.testing.assert_allclose(seen, symmetric(expected), atol=1e-5)


@pytest.mark.parametrize("side", [64, 65])
def test_samples_of_a_smaller_level_lie_where_those_of_the_image_do(side):
    """On a ramp the mean around a place is the place itself, but for what rounding pixels does."""
    ramp = np.broadcast_to(np.arange(side, dtype=float)[:, np.newaxis], (side, side))
    half = side // 2
    places = (np.arange(half) + 0.5) * side / half - 0.5
    smaller = np.broadcast_to(places[:, np.newaxis], (half, half))
    source = ArraySource(ramp, [smaller])
    region = Rectangle(8.5, 3, 40, 40)
    seen = view(source, region, (16, 16), antialias=True)
    expected = 8.5 + (np.arange(16) + 0.5) * 40 / 16 - 0.5
    np.testing.assert_allclose(seen[:, 0, 0], expected, atol=0.2)


def test_antialiased_samples_beyond_the_bounds_count_as_zero():
    rectangle = Rectangle(-10, 0, 20, 20, (0, 0, 90, 120))
    seen = view(ArraySource(IMAGE), rectangle, (1, 1), antialias=True)
    inside = symmetric(IMAGE[:10, :20]).mean(axis=(0, 1))
    np.testing.assert_allclose(seen[0, 0], inside / 2, atol=1e-5)


def test_antialiasing_changes_nothing_where_pixels_are_enlarged():
    rectangle = Rectangle(20, 30, 10, 10)
    views = [view(ArraySource(IMAGE), rectangle, (33, 40), way) for way in (False, True)]
    np.testing.assert_array_equal(*views)


@pytest.mark.parametrize(
    ("rectangle", "resolution", "level"),
    [
        (whole((256, 256)), (64, 64), 2),
        (whole((256, 256)), (65, 64), 1),
        (whole((256, 256)), (256, 256), 0),
        (Rectangle(0, 0, 128, 128), (64, 64), 1),
        (whole((256, 256)), (8, 8), 3),
    ],
)
def test_antialiasing_reads_the_smallest_level_that_is_fine_enough(rectangle, resolution, level):
    source = Tiles((256, 256), (32, 32), levels=4)
    view(source, rectangle, resolution, antialias=True)
    assert {window[0] for window in source.windows} == {level}
    source.windows.clear()
    view(source, rectangle, resolution)
    assert {window[0] for window in source.windows} == {0}


def test_only_tiles_with_samples_are_read():
    """Of 16 x 16 tiles, 5 x 3 samples need as many; a crop needs those that it lies in."""
    source = Tiles((1600, 1600), (100, 100))
    view(source, whole((1600, 1600)), (5, 3))
    assert len(source.windows) == 15
    assert all(height <= 2 and width <= 2 for *_, height, width in source.windows)
    source.windows.clear()
    view(source, Rectangle(250, 310, 100, 60), (50, 30))
    assert source.windows == [(0, 250, 310, 100, 60)]


@pytest.mark.parametrize("antialias", [False, True])
def test_windows_stay_small_however_large_the_view_of_the_image(antialias):
    source = Tiles((9_000, 8_000), (256, 256))
    view(source, whole(source.size), (300, 300), antialias)
    assert max(height * width for *_, height, width in source.windows) <= 2**20
    read = sum(height * width for *_, height, width in source.windows)
    assert read <= 9_000 * 8_000, "a tile was read twice"


def test_a_region_outside_of_the_image_is_zero_and_reads_nothing():
    source = Tiles((100, 100), (10, 10))
    seen = view(source, Rectangle(-50, -50, 40, 40), (4, 4))
    assert not seen.any()
    assert not source.windows


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(np.uint8, 0, 255), (np.uint16, 0, 65535), (np.int16, -32768, 32767), (np.bool_, 0, 1)],
)
def test_integers_are_scaled_by_the_range_of_their_type(dtype, low, high):
    pixels = np.array([[low, high]]).astype(dtype)
    seen = view(ArraySource(pixels), whole((1, 2)), (1, 2))
    np.testing.assert_allclose(seen[0, :, 0], [-1, 1], atol=1e-6)


def test_floats_are_taken_as_they_are():
    pixels = np.linspace(-1, 1, 12).reshape(3, 4, 1)
    np.testing.assert_allclose(view(ArraySource(pixels), whole((3, 4)), (3, 4)), pixels, atol=1e-6)

import concurrent.futures

import numpy as np
import pytest

from tests.images.kinds import KINDS, picture, pyramid
from tnet_tf.images.arrays import ArraySource
from tnet_tf.images.regions import Corners, Rectangle, whole
from tnet_tf.images.view import view


@pytest.fixture(scope="module", params=list(KINDS))
def opened(request, tmp_path_factory):
    """A source of each kind, and its decoded levels."""
    kind = KINDS[request.param]
    path = tmp_path_factory.mktemp("kind") / f"image.{kind.ending}"
    decoded = kind.write(path, pyramid(picture(*kind.sides)))
    with kind.open(str(path)) as source:
        yield source, decoded


def any_region(random, sides):
    """Within the image, past its borders, larger than it, or with fractions of pixels."""
    if not random.integers(4):
        top, left, height, width = random.random(4)
        return Corners(top, left, top + (1 - top) * height, left + (1 - left) * width)
    height, width = (int(random.integers(1, 2 * side)) for side in sides)
    top, left = (int(random.integers(-side // 4, side)) for side in sides)
    edges = sorted(random.integers(0, sides[0], 2)), sorted(random.integers(0, sides[1], 2))
    bounds = (edges[0][0], edges[1][0], edges[0][1], edges[1][1])
    region = Rectangle(top, left, height, width, bounds if random.integers(2) else None)
    return region if random.integers(2) else region._replace(top=top + random.random())


def test_levels_are_those_of_the_decoded_image(opened):
    source, decoded = opened
    assert [tuple(size) for size in source.levels] == [level.shape[:2] for level in decoded]
    assert (source.bands, source.dtype) == (3, decoded[0].dtype)
    assert source.size == decoded[0].shape[:2]


def test_windows_are_parts_of_the_decoded_levels(opened):
    source, decoded = opened
    random = np.random.default_rng(1)
    for level, pixels in enumerate(decoded):
        for _ in range(10):
            top, left = (int(random.integers(side)) for side in pixels.shape[:2])
            height = int(random.integers(1, pixels.shape[0] - top + 1))
            width = int(random.integers(1, pixels.shape[1] - left + 1))
            window = source.window(level, top, left, height, width)
            expected = pixels[top : top + height, left : left + width].astype(int)
            assert np.abs(window.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("antialias", [False, True])
def test_views_are_those_of_the_decoded_image(opened, antialias):
    source, decoded = opened
    in_memory = ArraySource(decoded[0], decoded[1:])
    random = np.random.default_rng(2)
    regions = [whole(source.size), *(any_region(random, source.size) for _ in range(40))]
    for region in regions:
        resolution = tuple(int(side) for side in random.integers(1, 60, 2))
        seen, expected = (view(each, region, resolution, antialias) for each in (source, in_memory))
        assert np.abs(seen - expected).max() <= 2 / 255, (region, resolution)


def test_a_window_past_the_image_is_refused(opened):
    source, _ = opened
    for window in ((-1, 0, 5, 5), (0, source.size.width - 4, 5, 5), (0, 0, 0, 5)):
        with pytest.raises(ValueError, match="not within"):
            source.window(0, *window)


def test_threads_may_share_a_source(opened):
    source, decoded = opened
    in_memory = ArraySource(decoded[0], decoded[1:])
    random = np.random.default_rng(3)
    regions = [any_region(random, source.size) for _ in range(40)]

    def seen(each):
        return [view(each, region, (9, 8), True) for region in regions]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for views in pool.map(seen, [source] * 4):
            np.testing.assert_allclose(views, seen(in_memory), atol=2 / 255)

"""One loop looks at images in memory, in graphs, and at whatever else has views of regions."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tests.networks import TINY, TINY_MGNET, build
from tnet_tf.layers.pixels import image_size
from tnet_tf.models.traversal import Plan, traverse

HEIGHT, WIDTH = 157, 203
# TNets of 2, 3 and 4 levels, cells that are padded and enlarged among them; and MGNet.
NETWORKS = {
    "two levels": (TINY, {"locations": (3,)}),
    "three levels": (TINY, {"locations": (2, 3), "cell": 0.35}),
    "four levels": (TINY, {"locations": (2, 1, 2), "grid": 4, "cell": 0.3}),
    "weighted": (TINY, {"locations": (3,), "feature_weighting": True}),
    "mgnet": (TINY_MGNET, {"locations": (3,)}),
}


@pytest.fixture(params=NETWORKS, scope="module")
def model(request):
    config, changes = NETWORKS[request.param]
    return build(config, **changes)


@pytest.fixture(scope="module")
def images():
    """Smooth ones: places that differ in their last digit show nearly the same."""
    noise = np.random.default_rng(0).uniform(-1, 1, (2, HEIGHT, WIDTH, 3))
    return scipy.ndimage.gaussian_filter(noise, (0, 4, 4, 0)).astype(np.float32) * 10


class ArrayReader:
    """Cuts the views of regions from arrays by SciPy, in float64, one after the other.

    Attributes:
      read: how many views.
    """

    def __init__(self, images, resolution):
        self.images, self.resolution, self.read = images, resolution, 0

    def __call__(self, regions):
        views = []
        for number in range(len(regions.affine if hasattr(regions, "affine") else regions.image)):
            cut = self.glimpse if hasattr(regions, "affine") else self.cell
            views.append(cut(regions, number))
        self.read += len(views)
        return tf.constant(np.stack(views), tf.float32)

    def cell(self, regions, number):
        """Pads with zeros what the region's bounds leave of it, and resizes it."""
        top, left, bottom, right = regions.bounds[number].numpy()
        place = np.zeros((int(regions.height), int(regions.width), 3))
        row, column = top - int(regions.top[number]), left - int(regions.left[number])
        image = self.images[int(regions.image[number])]
        place[row : row + bottom - top, column : column + right - left] = image[
            top:bottom, left:right
        ]
        centres = [
            np.clip((np.arange(count) + 0.5) * side / count - 0.5, 0, side - 1)
            for count, side in zip(self.resolution, place.shape[:2], strict=True)
        ]
        return interpolated(place, centres)

    def glimpse(self, regions, number):
        """Samples from end to end of the region (MGNet paper, eq. 1)."""
        scale, x, y = np.float64(regions.affine[number])
        places = [
            np.clip((centre + scale * np.linspace(-1, 1, count) + 1) / 2, 0, 1) * (side - 1)
            for centre, count, side in zip((y, x), self.resolution, (HEIGHT, WIDTH), strict=True)
        ]
        return interpolated(self.images[number], places)


def interpolated(image, places):
    points = np.meshgrid(*places, indexing="ij")
    channels = np.moveaxis(np.float64(image), -1, 0)
    read = [scipy.ndimage.map_coordinates(channel, points, order=1) for channel in channels]
    return np.stack(read, axis=-1)


def outside_of_graphs(model, images, stop=None, **plan):
    """The outputs of a pass that cuts its views from arrays, and how many it cut of an image."""
    reader = ArrayReader(images, model.base_resolution)
    # Sizes as files have them, of each image.
    size = (tf.constant([HEIGHT] * 2), tf.constant([WIDTH] * 2))
    start = model.start(tf.constant(2), (HEIGHT, WIDTH) if stop is None else size)
    outputs = traverse(model, _of_one_size(reader), start, Plan(model.locations, **plan), stop)
    return outputs, reader.read // 2


def _of_one_size(reader):
    """Regions of images that happen to be of one size, as such."""

    def read(regions):
        if hasattr(regions, "height"):
            sides = (np.reshape(regions.height, -1)[0], np.reshape(regions.width, -1)[0])
            regions = regions._replace(height=sides[0], width=sides[1])
        return reader(regions)

    return read


def locations(model):
    """How many locations the network attends per image."""
    return int(np.cumprod(model.locations).sum())


def assert_same(outputs, expected, tolerance=1e-5):
    for name, value in outputs._asdict().items():
        tf.nest.map_structure(
            lambda one, other: np.testing.assert_allclose(one, other, atol=tolerance),
            value,
            getattr(expected, name),
        )


@pytest.mark.parametrize("one_by_one", [False, True])
def test_views_cut_outside_of_the_graph_give_the_outputs_of_images_in_memory(
    model, images, one_by_one
):
    outputs, read = outside_of_graphs(model, images, one_by_one=one_by_one)
    assert read == 1 + locations(model)
    assert_same(outputs, model(images))


def test_a_pass_can_stop_after_any_location_and_has_read_no_more(model, images):
    whole = model(images)
    for count in range(locations(model) + 1):
        outputs, read = outside_of_graphs(
            model,
            images,
            stop=lambda state, count=count: len(state.vectors) == count + 1,
            one_by_one=True,
        )
        assert read == 1 + count
        np.testing.assert_allclose(
            outputs.logits_by_count, whole.logits_by_count[:, : count + 1], atol=1e-5
        )
        np.testing.assert_allclose(outputs.logits, whole.logits_by_count[:, count], atol=1e-5)
        np.testing.assert_allclose(outputs.boxes, whole.boxes[:, :count], atol=1e-6)
        for name in ("levels", "cells"):
            expected = getattr(whole, name)[:, :count]
            np.testing.assert_array_equal(getattr(outputs, name), expected)
        assert outputs.weights.shape == (2, count + 1)
        assert outputs.log_probs.shape == (2, count)


def test_what_stops_a_pass_can_ask_for_the_prediction_so_far(images):
    model = build(locations=(4,))
    seen = []

    def stop(state):
        seen.append(model.decide(state).logits.numpy())
        return len(seen) == 3

    outputs, _ = outside_of_graphs(model, images, stop=stop, one_by_one=True)
    np.testing.assert_allclose(
        np.stack(seen, axis=1), model(images).logits_by_count[:, :3], atol=1e-5
    )
    np.testing.assert_array_equal(outputs.logits, seen[-1])


def test_a_pass_in_a_graph_that_starts_from_views_is_that_from_images(model, images):
    """So a client can cut the regions that it is told, and send their views."""
    views = []
    images = tf.constant(images)

    def kept(regions):
        views.append(model.reader(images)(regions))
        return views[-1]

    start = model.start(tf.constant(2), image_size(images))
    expected = traverse(model, kept, start, Plan(model.locations))

    @tf.function
    def from_views(views, size):
        given = iter(views)
        start = model.start(tf.shape(views[0])[0], tf.unstack(size))
        return traverse(model, lambda regions: next(given), start, Plan(model.locations))

    assert_same(from_views(views, tf.constant([HEIGHT, WIDTH])), expected)

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tnet_tf.layers import glimpses, runtime
from tnet_tf.layers.pixels import image_size

RESOLUTION = (12, 17)
SIZES = [(64, 64), (45, 101), (300, 37)]


@pytest.fixture(params=[runtime.TENSORFLOW, runtime.OTHER], autouse=True)
def _every_way_of_reading(request):
    with runtime.traced_for(request.param):
        yield


def regions(count):
    """Affine vectors that the localization network may give; of many, a number is extreme."""
    random = np.random.default_rng(0)
    shares = random.uniform(0, 1, (count, 3))
    extreme = random.uniform(size=shares.shape) < 0.4
    shares = np.where(extreme, random.integers(0, 2, shares.shape), shares)
    scale = 0.2 + 0.3 * shares[:, :1]
    affine = np.concatenate([scale, (2 * shares[:, 1:] - 1) * (1 - scale)], axis=1)
    return affine.astype(np.float32)


def noise(count, height, width):
    return np.random.default_rng(1).uniform(-1, 1, (count, height, width, 3)).astype(np.float32)


def expected(images, affine, resolution=RESOLUTION):
    """Eq. 1 and 2 in float64, pixels interpolated by SciPy."""
    views = []
    for image, (scale, x, y) in zip(images, np.float64(affine), strict=True):
        # In float32, where affine vectors come from, a region may begin 1e-8 beside the image.
        places = [
            np.clip((centre + scale * np.linspace(-1, 1, count) + 1) / 2, 0, 1) * (side - 1)
            for centre, count, side in zip((y, x), resolution, image.shape, strict=False)
        ]
        points = np.meshgrid(*places, indexing="ij")
        channels = [
            scipy.ndimage.map_coordinates(np.float64(channel), points, order=1, mode="constant")
            for channel in np.moveaxis(image, -1, 0)
        ]
        views.append(np.stack(channels, axis=-1))
    return np.stack(views)


@pytest.mark.parametrize("size", SIZES)
def test_regions_are_sampled_as_scipy_samples_them(size):
    affine, images = regions(30), noise(30, *size)
    views = glimpses.sample_glimpses(tf.constant(images), tf.constant(affine), RESOLUTION)
    assert views.dtype == tf.float32
    # Places are float32, some 1e-7 of the side; neighbours of noise differ by up to 2.
    np.testing.assert_allclose(views, expected(images, affine), atol=1e-6 * sum(size))


@pytest.mark.parametrize("size", SIZES)
def test_pixels_of_uint8_images_are_brought_to_minus_1_to_1(size):
    affine = regions(10)
    images = np.random.default_rng(1).integers(0, 256, (10, *size, 3), np.uint8)
    views = glimpses.sample_glimpses(tf.constant(images), tf.constant(affine), RESOLUTION)
    np.testing.assert_allclose(views, expected(images / 127.5 - 1, affine), atol=1e-6 * sum(size))


@pytest.mark.parametrize("size", SIZES)
def test_the_identity_glimpse_of_a_resolution_is_the_image(size):
    images = noise(2, *size)
    identity = glimpses.whole_image(tf.constant(2))
    sampled = glimpses.sample_glimpses(tf.constant(images), identity, size)
    np.testing.assert_allclose(sampled, images, atol=1e-6 * sum(size))
    np.testing.assert_array_equal(glimpses.sample_whole(tf.constant(images), size), images)


def test_the_whole_image_is_downsampled_from_its_first_pixel_to_its_last():
    images = noise(2, 90, 133)
    views = glimpses.sample_whole(tf.constant(images), RESOLUTION)
    identity = np.tile([1.0, 0.0, 0.0], (2, 1))
    np.testing.assert_allclose(views, expected(images, identity), atol=1e-4)
    ends = np.ix_([0, 1], [0, -1], [0, -1])
    np.testing.assert_allclose(views.numpy()[ends], images[ends], atol=1e-4)


def test_pixels_may_be_fewer_than_samples():
    images, affine = noise(20, 5, 9), regions(20)
    views = glimpses.sample_glimpses(tf.constant(images), tf.constant(affine), (31, 40))
    np.testing.assert_allclose(views, expected(images, affine, (31, 40)), atol=1e-5)


def test_a_single_sample_lies_in_the_middle():
    images, affine = noise(5, 64, 80), regions(5)
    views = glimpses.sample_glimpses(tf.constant(images), tf.constant(affine), (1, 3))
    middle = expected(images, affine, (3, 3))[:, 1:2]
    np.testing.assert_allclose(views, middle, atol=1e-4)


def test_regions_at_the_edges_read_nothing_outside_of_the_image():
    affine = np.concatenate([[[1.0, 0.0, 0.0]], regions(999)]).reshape(25, 40, 3)
    random = np.random.default_rng(2)
    for vectors in affine.astype(np.float32):
        side, other, rows, columns = random.integers((40, 40, 8, 8), (1500, 60, 99, 99))
        sides = random.permutation([side, other])
        views = glimpses.sample_glimpses(tf.ones((40, *sides, 1)), vectors, (rows, columns))
        assert tf.reduce_min(views) > 0.999


@pytest.mark.parametrize("_every_way_of_reading", [runtime.TENSORFLOW], indirect=True)
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_of_a_region_that_is_no_number_there_is_nothing_to_see(kind):
    """As of a network that has diverged; its loss is then no number either, which is told."""
    images, affine = np.ones((3, 20, 30, 3), kind), regions(3)
    affine[1] = np.nan
    views = glimpses.sample_glimpses(tf.constant(images), tf.constant(affine), RESOLUTION)
    assert np.isnan(views[1]).all()
    assert np.isfinite(views[0]).all() and np.isfinite(views[2]).all()


def test_gradients_are_those_of_eq_1_and_2():
    images, affine = noise(6, 33, 47), regions(6)
    upstream = np.random.default_rng(3).uniform(-1, 1, (6, *RESOLUTION, 3))

    def by_image(images, affine):
        return np.sum(upstream * expected(images, affine), axis=(1, 2, 3))

    inside = np.float64(affine) * [0.99, 0.99, 0.99]
    pixels, vectors = tf.constant(images), tf.constant(inside, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([pixels, vectors])
        views = glimpses.sample_glimpses(pixels, vectors, RESOLUTION)
    of_pixels, of_vectors = tape.gradient(
        views, [pixels, vectors], tf.constant(upstream, tf.float32)
    )

    differences = [
        (by_image(images, inside + step) - by_image(images, inside - step)) / 2e-7
        for step in 1e-7 * np.eye(3)
    ]
    np.testing.assert_allclose(of_vectors, np.stack(differences, axis=1), rtol=1e-3, atol=0.05)
    # Samples are linear in the pixels.
    other = np.random.default_rng(4).uniform(-1, 1, images.shape)
    along = np.sum(of_pixels * other, axis=(1, 2, 3))
    np.testing.assert_allclose(along, by_image(other, inside), rtol=1e-4, atol=1e-3)


def test_images_of_unknown_size_are_read_like_others():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, 3))])
    def read(images, affine):
        return (
            glimpses.sample_glimpses(images, affine, RESOLUTION),
            glimpses.sample_whole(images, RESOLUTION),
            glimpses.boxes(affine, image_size(images)),
        )

    for count, size in enumerate([*SIZES, RESOLUTION], start=1):
        images, affine = tf.constant(noise(count, *size)), tf.constant(regions(count))
        views, thumbnails, boxes = read(images, affine)
        np.testing.assert_allclose(views, expected(images, affine), atol=1e-6 * sum(size))
        whole = glimpses.sample_whole(images, RESOLUTION)
        np.testing.assert_allclose(thumbnails, whole, atol=1e-6 * sum(size))
        np.testing.assert_allclose(boxes, glimpses.boxes(affine, image_size(images)), atol=1e-6)


def test_boxes_hold_the_pixels_that_a_region_lies_on():
    # Of 101 pixels, half of the way between the first and the last one is from one to the 51st.
    affine = tf.constant([[1.0, 0, 0], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5], [0.2, 0.0, 0.0]])
    boxes = glimpses.boxes(affine, (101, 201))
    pixels = boxes * [101, 201, 101, 201]
    tops_and_lefts = [[0, 0], [50, 0], [0, 100], [40, 80]]
    bottoms_and_rights = [[101, 201], [101, 101], [51, 201], [61, 121]]
    np.testing.assert_allclose(pixels[:, :2], tops_and_lefts, atol=1e-4)
    np.testing.assert_allclose(pixels[:, 2:], bottoms_and_rights, atol=1e-4)


def test_boxes_never_leave_the_image():
    boxes = glimpses.boxes(tf.constant(regions(900)), (67, 1013)).numpy()
    assert boxes.min() == 0
    assert 0.999 < boxes.max() <= 1
    assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_boxes_of_images_of_different_sizes_are_those_of_each():
    affine = tf.constant(regions(6).reshape(3, 2, 3))
    sizes = [(101, 201), (67, 1013), (40, 40)]
    boxes = glimpses.boxes(affine, tuple(map(tf.constant, zip(*sizes, strict=True))))
    for of_image, vectors, size in zip(boxes, affine, sizes, strict=True):
        np.testing.assert_array_equal(of_image, glimpses.boxes(vectors, size))

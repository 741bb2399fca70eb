import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.layers import grid as grids
from tnet_tf.layers import pixels, runtime


def whole(images):
    return grids.whole_images(tf.shape(images)[0], pixels.image_size(images))


def published_crop(image, patch_index, grid, cell, resolution):
    """The paper's way: pad the whole region with zeros, cut the cell, resize it."""
    height, width = image.shape[:2]
    cut = []
    for size, index in ((height, patch_index // grid), (width, patch_index % grid)):
        patch = round(size * cell)
        stride = int(np.ceil((size - patch) / (grid - 1)))
        padding = (grid - 1) * stride + patch - size
        cut.append((patch, index * stride, (int(np.ceil(padding / 2)), padding // 2)))
    (rows, top, vertical), (columns, left, horizontal) = cut
    padded = np.pad(image, (vertical, horizontal, (0, 0)))
    region = padded[top : top + rows, left : left + columns]
    return region, tf.image.resize(region, resolution, antialias=False).numpy()


@pytest.mark.parametrize(
    ("height", "width", "grid", "cell", "resolution"),
    [
        (224, 224, 5, 0.34375, (77, 77)),  # ImageNet: cells as they are
        (448, 448, 3, 0.5, (224, 224)),  # fMoW: cells as they are
        (448, 448, 5, 0.35, (224, 224)),  # CUB: cells are enlarged, and padded
        (300, 211, 4, 0.4, (32, 48)),  # nothing square
    ],
)
def test_every_cell_is_read_as_if_cut_from_the_padded_image(height, width, grid, cell, resolution):
    images = np.random.default_rng(0).uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
    cells = tf.tile(tf.range(grid**2)[tf.newaxis], (2, 1))
    regions = grids.attended_regions(whole(tf.constant(images)), cells, grid, cell)
    views = pixels.crop_and_resize(tf.constant(images), regions, resolution).numpy()
    for number, view in enumerate(views):
        image, index = images[number // grid**2], number % grid**2
        np.testing.assert_allclose(
            view, published_crop(image, index, grid, cell, resolution)[1], atol=3e-5
        )


def test_cells_of_cells_are_zero_outside_their_parent_even_where_the_image_goes_on():
    image = np.random.default_rng(0).uniform(-1, 1, (101, 67, 3)).astype(np.float32)
    images = tf.constant(image[np.newaxis])
    regions = whole(images)
    for cells in ([[5]], [[12]], [[0]]):
        regions = grids.attended_regions(regions, tf.constant(cells), 4, 0.4)
    expected = image
    for index in (5, 12, 0):
        expected, resized = published_crop(expected, index, 4, 0.4, (16, 16))
    view = pixels.crop_and_resize(images, regions, (16, 16))[0]
    np.testing.assert_allclose(view, resized, atol=3e-5)


def crops(height, width, cell, resolution, channels=3):
    """All cells of a 3 x 3 grid of a random image, by TensorFlow's kernel and by gathering."""
    images = tf.random.stateless_uniform((1, height, width, channels), (1, 2), -1, 1)
    cells = tf.range(9)[tf.newaxis]
    regions = grids.attended_regions(whole(images), cells, 3, cell)
    with runtime.traced_for(runtime.OTHER):
        gathered = pixels.crop_and_resize(images, regions, resolution)
    return pixels.crop_and_resize(images, regions, resolution), gathered


@pytest.mark.parametrize(
    ("height", "width", "cell", "resolution"),
    [
        (896, 896, 0.5, (224, 224)),
        (900, 700, 0.5, (225, 100)),  # rows just as large, the last ones at the image's edge
        (451, 301, 1 / 3, (150, 100)),
        (4000, 100, 0.5, (1, 1)),
    ],
)
def test_both_ways_of_reading_agree(height, width, cell, resolution):
    # The kernel's places are float32, some 1e-7 of the side; neighbours of noise differ by up to 2.
    cropped, gathered = crops(height, width, cell, resolution)
    np.testing.assert_allclose(cropped, gathered, atol=4e-7 * max(height, width))


@pytest.mark.parametrize("side", [14337, 16001])
def test_the_last_row_and_column_of_a_large_image_are_read(side):
    tall = tf.ones((1, side, 3, 1))
    for images, size in ((tall, (side - 1, 2)), (tf.transpose(tall, (0, 2, 1, 3)), (2, side - 1))):
        views = pixels.crop_and_resize(images, whole(images), size)
        assert tf.reduce_min(views) == 1


def test_the_thumbnail_is_a_plain_bilinear_resize():
    images = tf.random.uniform((2, 90, 133, 3), -1, 1)
    views = pixels.crop_and_resize(images, whole(images), (31, 40))
    expected = tf.image.resize(images, (31, 40), antialias=False)
    np.testing.assert_allclose(views, expected, atol=3e-5)


def test_uint8_images_read_like_float_ones():
    images = tf.cast(tf.random.uniform((1, 64, 64, 3), 0, 256, tf.int32), tf.uint8)
    as_float = tf.cast(images, tf.float32) / 127.5 - 1
    cells = tf.constant([[0, 8, 4]])
    for resolution in ((32, 32), (20, 50)):
        views = [
            pixels.crop_and_resize(
                values,
                grids.attended_regions(whole(values), cells, 3, 0.5),
                resolution,
            )
            for values in (images, as_float)
        ]
        np.testing.assert_allclose(*views, atol=3e-5)


def test_unknown_image_sizes_give_the_same_regions_as_known_ones():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def dynamic(images):
        regions = grids.attended_regions(whole(images), cells, 5, 0.35)
        return pixels.crop_and_resize(images, regions, (24, 24)), grids.boxes(
            regions, pixels.image_size(images)
        )

    images, cells = tf.random.uniform((2, 157, 90, 3)), tf.constant([[3, 24], [0, 7]])
    regions = grids.attended_regions(whole(images), cells, 5, 0.35)
    views, boxes = dynamic(images)
    np.testing.assert_allclose(views, pixels.crop_and_resize(images, regions, (24, 24)), atol=1e-6)
    np.testing.assert_allclose(boxes, grids.boxes(regions, pixels.image_size(images)))

import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.layers import grid as grids
from tnet_tf.layers.pixels import taps


def test_positions_of_children_count_cells_of_the_whole_level():
    regions = grids.whole_images(1, (90, 90))
    assert regions.positions.numpy().tolist() == [[0, 0, 0]]
    regions = grids.attended_regions(regions, tf.constant([[5]]), 3, 0.5)  # row 1, column 2
    assert regions.positions.numpy().tolist() == [[2, 1, 1]]
    regions = grids.attended_regions(regions, tf.constant([[7, 0]]), 3, 0.5)  # row 2, column 1
    assert regions.positions.numpy().tolist() == [[2 * 3 + 1, 1 * 3 + 2, 2], [6, 3, 2]]


def test_boxes_are_fractions_of_the_image_inside_of_it():
    size = (448, 224)
    regions = grids.attended_regions(grids.whole_images(1, size), tf.constant([[0, 8]]), 3, 0.5)
    np.testing.assert_allclose(
        grids.boxes(regions, size), [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], atol=1e-6
    )
    size = (448, 448)  # 5 cells of 157 px reach 1 px past the upper left corner
    regions = grids.attended_regions(grids.whole_images(1, size), tf.constant([[0, 24]]), 5, 0.35)
    boxes = grids.boxes(regions, size).numpy()
    assert boxes.min() == 0 and boxes.max() == 1


@pytest.mark.parametrize(("size", "grid", "cell"), [(448, 5, 0.35), (1000, 3, 0.5), (77, 4, 0.3)])
def test_the_cells_of_a_grid_span_the_side(size, grid, cell):
    patch, stride, before = grids.cell_layout(size, grid, cell)
    assert before >= 0
    assert (grid - 1) * stride + patch - before >= size


def test_images_of_different_sizes_have_the_regions_that_each_has_alone():
    heights, widths = [300, 448, 67], [211, 448, 900]
    levels = (tf.constant([[5, 0], [15, 3], [10, 12]]), tf.constant([[1], [2], [3], [4], [5], [6]]))
    together = grids.whole_images(3, (tf.constant(heights), tf.constant(widths)))
    for cells in levels:
        together = grids.attended_regions(together, cells, 4, 0.4)
    for image, size in enumerate(zip(heights, widths, strict=True)):
        alone = grids.whole_images(1, size)
        alone = grids.attended_regions(alone, levels[0][image : image + 1], 4, 0.4)
        alone = grids.attended_regions(alone, levels[1][2 * image : 2 * image + 2], 4, 0.4)
        own = slice(2 * image, 2 * image + 2)
        for field in ("top", "left", "bounds", "positions"):
            np.testing.assert_array_equal(getattr(together, field)[own], getattr(alone, field))
        np.testing.assert_array_equal(together.height[own], [alone.height] * 2)
        np.testing.assert_array_equal(together.width[own], [alone.width] * 2)
        together_boxes = grids.boxes(together, (tf.constant(heights), tf.constant(widths)))[own]
        np.testing.assert_array_equal(together_boxes, grids.boxes(alone, size))
        for of_all, of_one in zip(
            taps(together.top, together.height, 12, together.bounds[:, ::2]),
            taps(alone.top, alone.height, 12, alone.bounds[:, ::2]),
            strict=True,
        ):
            np.testing.assert_array_equal(of_all[0][own], of_one[0])
            np.testing.assert_array_equal(of_all[1][own], of_one[1])


def test_every_second_region_of_two_an_image_is_the_same_one_of_each():
    size = (tf.constant([90, 60]), tf.constant([90, 50]))
    cells = tf.constant([[4, 8], [0, 2]])
    regions = grids.attended_regions(grids.whole_images(2, size), cells, 3, 0.5)
    for first in (0, 1):
        expected = grids.attended_regions(
            grids.whole_images(2, size), cells[:, first : first + 1], 3, 0.5
        )
        for value, other in zip(grids.every(regions, 2, first), expected, strict=True):
            np.testing.assert_array_equal(value, other)

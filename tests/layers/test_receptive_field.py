import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.layers.receptive_field import Window, field_centres, uniform_slice
from tnet_tf.models.bagnet import BagNet77
from tnet_tf.models.efficientnet import EfficientNet


@pytest.mark.parametrize(
    ("size", "windows"),
    [
        (32, [Window(3, 2), Window(3), Window(5, 2)]),
        (33, [Window(3, 2), Window(5, 2)]),
        (77, [Window(3, 1, "valid"), Window(3, 2), Window(3, 2), Window(3, 2, "valid")]),
    ],
)
def test_centres_are_where_the_gradient_of_a_box_filter_is_centred(size, windows):
    image = tf.Variable(tf.zeros((1, size, 1, 1)))
    with tf.GradientTape() as tape:
        values = image
        for kernel, stride, padding in windows:
            values = tf.nn.conv2d(values, tf.ones((kernel, 1, 1, 1)), stride, padding.upper())
        middle = values.shape[1] // 2
        pixel = values[0, middle, 0, 0]
    weights = tape.gradient(pixel, image).numpy().ravel()
    centre = (weights * (np.arange(size) + 0.5)).sum() / weights.sum()
    centres = field_centres(size, windows)
    assert centres.size == values.shape[1]
    assert centres.first + middle * centres.step == pytest.approx(centre)


@pytest.mark.parametrize(
    ("backbone", "base", "grid", "cell", "expected"),
    [
        (lambda: BagNet77(), 77, 5, 0.34375, slice(0, 9, 2)),
        (lambda: EfficientNet("b0", grid=3), 224, 3, 0.5, slice(2, 11, 4)),
        (lambda: EfficientNet("b0", grid=5), 224, 5, 0.35, slice(2, 11, 2)),
        (lambda: EfficientNet("b2", grid=5), 224, 5, 0.35, slice(5, 22, 4)),
        (lambda: EfficientNet("b4", grid=5), 224, 5, 0.35, slice(5, 22, 4)),
    ],
)
def test_grid_features_are_cut_where_the_papers_cut_them(backbone, base, grid, cell, expected):
    rows, columns = backbone().grid_slices((base, base), grid, cell)
    size = range(28)
    assert list(size[rows]) == list(size[columns]) == list(size[expected])


def test_a_map_smaller_than_the_grid_is_an_error_that_names_both():
    with pytest.raises(UserError, match=r"4 pixels a side at --base_resolution=64.*--grid=5"):
        EfficientNet("b0").grid_slices((64, 64), 5, 0.35)


def test_rows_and_columns_follow_their_own_resolution():
    rows, columns = EfficientNet("b0", grid=3).grid_slices((224, 448), 3, 0.5)
    assert len(range(14)[rows]) == len(range(28)[columns]) == 3
    assert rows != columns


def test_the_slice_is_the_one_with_centres_closest_to_the_cells():
    centres = field_centres(64, [Window(2, 2, "valid")])
    chosen = uniform_slice(centres, 64, 3, 0.5)
    np.testing.assert_allclose(
        [centres.first + centres.step * i for i in range(32)[chosen]], [16, 32, 48], atol=1.01
    )

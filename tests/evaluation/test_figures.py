import io

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.colors import to_hex
from PIL import Image

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation.figures import (
    COLOURS,
    attended_image,
    attention_figure,
    png,
)

NAMES = ("cat", "dog", "price of $5 or $6")


def rgb(colour):
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def random_boxes(count, locations):
    corners = np.random.default_rng(0).uniform(0, 0.5, (count, locations, 2))
    return np.concatenate([corners, corners + 0.3], axis=-1)


def make_figure(locations=2, height=40, width=40, count=2, **settings):
    outputs = make_outputs(
        logits_by_count=np.tile([0.0, 2.0, 0.0], (count, locations + 1, 1)),
        boxes=random_boxes(count, locations),
        weights=np.tile(np.linspace(0.1, 0.9, locations + 1), (count, 1)),
    )
    images = np.random.default_rng(1).uniform(-1, 1, (count, height, width, 3))
    boxes = [[0.1, 0.2, 0.7, 0.8], [0, 0, 0, 0]][:count]
    return attention_figure(outputs, make_batch([1, 2][:count], boxes, images), NAMES, **settings)


def titles(axes):
    return "\n".join(axes.get_title(loc) for loc in ("left", "center"))


def columns(figure):
    return figure.axes[0].get_subplotspec().get_gridspec().ncols


def test_the_outline_of_a_region_takes_its_colour_and_the_rest_stays():
    images = tf.zeros((1, 100, 200, 3))
    picture = attended_image(images, tf.constant([[[0.2, 0.1, 0.6, 0.5]]]))[0]
    assert picture.dtype == np.uint8
    outline = np.zeros((100, 200), bool)
    outline[20:60, 20:100] = True
    outline[21:59, 21:99] = False
    np.testing.assert_array_equal((picture == rgb(COLOURS[0])).all(axis=-1), outline)
    assert (picture[~outline] == 128).all()


def test_each_region_has_its_own_colour_and_the_first_lies_on_top():
    picture = attended_image(np.zeros((1, 80, 80, 3)), np.tile([0, 0, 0.5, 0.5], (1, 3, 1)))[0]
    assert (picture[0, :40] == rgb(COLOURS[0])).all()
    boxes = [[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0.5, 0.5, 1]]]
    picture = attended_image(np.zeros((1, 80, 80, 3)), boxes)[0]
    corners = [picture[0, 0], picture[79, 79], picture[0, 79]]
    assert [corner.tolist() for corner in corners] == [rgb(colour) for colour in COLOURS[:3]]


def test_drawing_leaves_the_images_as_they_were():
    images = np.zeros((2, 30, 30, 3), np.float32)
    attended_image(images, random_boxes(2, 3))
    assert not images.any()


def test_regions_without_pixels_and_no_regions_can_be_drawn():
    nothing = attended_image(np.zeros((1, 30, 30, 3)), [[[0.5, 0.5, 0.5, 0.5]]])
    np.testing.assert_array_equal(
        nothing, attended_image(np.zeros((1, 30, 30, 3)), np.zeros((1, 0, 4)))
    )


def test_a_row_holds_image_thumbnail_and_regions_with_their_weights():
    figure = make_figure(locations=2)
    assert len(figure.axes) == 2 * (2 + 2)
    captions = [titles(axes) for axes in figure.axes[1:4]]
    for caption, what, weight in zip(
        captions, ("thumbnail", "1: level 2", "2: level 2"), ("0.10", "0.50", "0.90"), strict=True
    ):
        assert what in caption
        assert f"weight {weight}" in caption


def test_titles_tell_right_predictions_from_wrong_ones():
    figure = make_figure(locations=1)
    right, wrong = figure.axes[0], figure.axes[3]
    assert "true: dog\npredicted: dog (79%)" in titles(right)
    assert "predicted: dog" in titles(wrong)
    green, red = (np.array(rgb(to_hex(axes._left_title.get_color()))) for axes in (right, wrong))
    assert green.argmax() == 1
    assert red.argmax() == 0


def test_the_objects_box_is_dashed_where_there_is_one():
    def dashed(axes):
        return [patch for patch in axes.patches if patch.get_linestyle() not in ("-", "solid")]

    figure = make_figure(locations=1)
    (box,) = dashed(figure.axes[0])
    assert box.get_bbox().bounds == pytest.approx(
        (0.2 * 40 - 0.5, 0.1 * 40 - 0.5, 24, 24), rel=1e-5
    )
    assert dashed(figure.axes[3]) == []


def test_many_regions_are_drawn_but_only_some_shown_by_themselves():
    figure = make_figure(locations=12, count=1, most_crops=6)
    assert columns(figure) == 1 + 1 + 6
    assert "(+6 more)" in titles(figure.axes[-1])
    assert len(figure.axes[0].patches) == 12 + 1


def test_networks_that_attend_to_nothing_show_the_image_alone():
    assert columns(make_figure(locations=0)) == 1


def test_other_gazes_stand_beside_the_network_s_own():
    boxes = random_boxes(2, 2)
    outputs = make_outputs(np.tile([0.0, 2.0, 0.0], (2, 3, 1)), boxes)
    central = make_outputs(np.tile([2.0, 0.0, 0.0], (2, 3, 1)), np.tile(boxes[:1, :1], (2, 2, 1)))
    batch = make_batch([1, 1], [[0, 0, 0, 0], [0.1, 0.2, 0.7, 0.8]], np.zeros((2, 40, 40, 3)))
    figure = attention_figure(
        outputs, batch, NAMES, gazes={"random": outputs, "central": central}, most_crops=1
    )
    assert columns(figure) == 1 + 2 + 2
    learned, random_, central_ = figure.axes[0], figure.axes[3], figure.axes[4]
    assert titles(random_) == "random gaze\npredicted: dog (79%)\n"
    assert titles(central_) == "central gaze\npredicted: cat (79%)\n"
    assert to_hex(random_._left_title.get_color()) == to_hex(learned._left_title.get_color())
    assert to_hex(central_._left_title.get_color()) != to_hex(learned._left_title.get_color())

    def drawn(axes):
        return [patch.get_bbox().bounds for patch in axes.patches]

    assert drawn(random_) == drawn(learned)
    assert drawn(central_) != drawn(learned)
    # The object's box is on all of them.
    assert [len(axes.patches) for axes in figure.axes[5::5][:1] + figure.axes[8:10]] == [3, 3, 3]


def test_networks_that_attend_to_nothing_have_no_other_gazes():
    outputs = make_outputs(np.zeros((1, 1, 3)))
    figure = attention_figure(outputs, make_batch([0]), NAMES, gazes={"random": outputs})
    assert columns(figure) == 1


def test_regions_are_shown_at_base_resolution():
    figure = make_figure(locations=1, count=1, base_resolution=(16, 24))
    assert [axes.images[0].get_array().shape for axes in figure.axes] == [
        (40, 40, 3),
        (16, 24, 3),
        (16, 24, 3),
    ]


def test_a_region_is_cut_out_where_its_box_says():
    image = np.linspace(-1, 1, 20 * 30 * 3).reshape(1, 20, 30, 3)
    outputs = make_outputs(boxes=[[[0.25, 0.5, 0.75, 1.0]]])
    figure = attention_figure(outputs, make_batch([0], images=image), NAMES)
    expected = np.rint((image[0, 5:15, 15:30] + 1) * 127.5)
    np.testing.assert_allclose(figure.axes[2].images[0].get_array(), expected, atol=1)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (20, 90), (90, 20)])
def test_becomes_a_png_for_images_of_any_shape(height, width):
    picture = Image.open(io.BytesIO(png(make_figure(height=height, width=width))))
    assert picture.format == "PNG"
    assert np.ptp(np.asarray(picture)) > 200


def test_characters_that_the_font_lacks_are_no_reason_to_warn():
    outputs = make_outputs(boxes=np.zeros((1, 0, 4)))
    assert png(attention_figure(outputs, make_batch([0]), ["猫", "b", "c"]))


@pytest.mark.parametrize("gazes", [False, True])
def test_a_network_that_has_diverged_is_drawn_without_its_regions(gazes):
    nothing = make_outputs(
        np.full((1, 2, 3), np.nan), np.full((1, 1, 4), np.nan), weights=np.full((1, 2), np.nan)
    )
    batch = make_batch([0], images=np.zeros((1, 40, 40, 3)))
    figure = attention_figure(nothing, batch, NAMES, gazes={"central": nothing} if gazes else None)
    assert "predicted: nothing finite" in titles(figure.axes[0])
    assert png(figure)
    picture = attended_image(np.zeros((1, 30, 30, 3)), nothing.boxes)
    assert (picture == 128).all()


def test_long_class_names_are_cut_and_dollars_are_no_mathematics():
    outputs = make_outputs(boxes=np.zeros((2, 0, 4)))
    names = ["$" * 3 + "x" * 80, "$a_", "c"]
    figure = attention_figure(outputs, make_batch([0, 1]), names)
    assert max(map(len, titles(figure.axes[0]).splitlines())) < 45
    assert "…" in titles(figure.axes[0])
    assert png(figure)

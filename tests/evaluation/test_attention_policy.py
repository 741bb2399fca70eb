import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation.arrays import make_batch, make_outputs
from tests.networks import IMAGENET, build
from tnet_tf.evaluation.attention_policy import AttentionPolicy, union_areas
from tnet_tf.evaluation.results import Curve
from tnet_tf.layers import grid as grids

SIDE = 60
WHOLE = [0.0, 0.0, 1.0, 1.0]
LEFT = [0.0, 0.0, 1.0, 0.5]
RIGHT = [0.0, 0.5, 1.0, 1.0]
TOP_LEFT = [0.0, 0.0, 0.5, 0.5]
NONE = [0.0, 0.0, 0.0, 0.0]


@pytest.fixture
def random():
    return np.random.default_rng(0)


def random_boxes(random, *shape):
    """Boxes of at least one pixel that end on whole pixels, in pixels."""
    ends = np.sort(random.permuted(np.tile(np.arange(SIDE), (*shape, 2, 1)), axis=-1)[..., :2])
    return ends.swapaxes(-1, -2).reshape(*shape, 4)


def painted(box):
    """The set of pixels in a box."""
    mask = np.zeros((SIDE, SIDE), bool)
    top, left, bottom, right = box
    mask[top:bottom, left:right] = True
    return mask


def measure(*pairs):
    policy = AttentionPolicy()
    for outputs, batch in pairs:
        policy.update(outputs, batch)
    return dict(policy.results())


def test_unions_have_as_many_pixels_as_painting_them_one_by_one(random):
    boxes = random_boxes(random, 9, 7)
    expected = [
        np.logical_or.accumulate([painted(box) for box in row]).sum(axis=(1, 2)) for row in boxes
    ]
    np.testing.assert_array_equal(union_areas(boxes.astype(float)), expected)


def test_boxes_inside_out_are_empty():
    assert union_areas(np.array([[[3.0, 0, 1, 4], [0, 0, 2, 2]]])).tolist() == [[0, 4]]


def test_regions_that_are_no_numbers_find_nothing():
    """As of a network that has diverged; its report can be written."""
    boxes = np.full((2, 2, 4), np.nan)
    boxes[1] = [0, 0, 0.5, 1]
    found = measure((make_outputs(boxes=boxes), make_batch(boxes=[[0, 0, 1, 1]] * 2)))
    assert found["coverage_by_locations"] == found["recall_by_locations"] == Curve(1, (0.25, 0.25))
    assert found["precision_by_locations"] == found["hit_rate_by_locations"] == Curve(1, (0.5, 0.5))


def test_precision_recall_and_coverage_are_those_of_sets_of_pixels(random):
    regions, boxes = random_boxes(random, 12, 5), random_boxes(random, 12)
    # The last two locations are of the third level, which these measures leave out.
    results = measure(
        *(
            (
                make_outputs(boxes=regions[rows] / SIDE, levels=[2, 2, 2, 3, 3]),
                make_batch(boxes=boxes[rows] / SIDE),
            )
            for rows in (slice(5), slice(5, 12))
        )
    )
    expected = {"precision": [], "recall": [], "coverage": []}
    for row, box in zip(regions, boxes, strict=True):
        attended = np.logical_or.accumulate([painted(region) for region in row[:3]])
        common, areas = (attended & painted(box)).sum(axis=(1, 2)), attended.sum(axis=(1, 2))
        expected["precision"].append(common / areas)
        expected["recall"].append(common / painted(box).sum())
        expected["coverage"].append(areas / SIDE**2)
    for name, values in expected.items():
        curve = results[f"{name}_by_locations"]
        assert curve.first == 1
        assert curve.values == pytest.approx(np.mean(values, axis=0), abs=1e-6)


def test_images_without_a_box_count_for_coverage_alone():
    results = measure(
        (make_outputs(boxes=[[LEFT], [TOP_LEFT]]), make_batch(boxes=[LEFT, NONE])),
        (make_outputs(boxes=[[WHOLE]]), make_batch(boxes=[NONE])),
    )
    assert results["coverage_by_locations"].values == pytest.approx([(0.5 + 0.25 + 1) / 3])
    assert results["images_with_box"] == 1
    assert results["precision_by_locations"] == results["recall_by_locations"] == Curve(1, (1.0,))


def test_without_boxes_there_is_coverage_alone():
    results = measure((make_outputs(boxes=[[LEFT, RIGHT]]), make_batch(boxes=[NONE])))
    assert results == {"coverage_by_locations": Curve(1, (0.5, 1.0))}


def test_networks_that_attend_to_nothing_have_no_policy():
    assert measure((make_outputs(boxes=np.zeros((2, 0, 4))), make_batch(boxes=[LEFT, RIGHT]))) == {}


def test_an_image_is_hit_once_a_region_of_any_level_contains_the_centre_of_the_box():
    object_on_the_right = [0.2, 0.7, 0.4, 0.9]
    results = measure(
        (
            make_outputs(boxes=[[LEFT, TOP_LEFT, RIGHT], [LEFT, RIGHT, LEFT]], levels=[2, 2, 3]),
            make_batch(boxes=[object_on_the_right, object_on_the_right]),
        ),
        (
            make_outputs(boxes=[[LEFT, TOP_LEFT, TOP_LEFT]] * 2, levels=[2, 2, 3]),
            make_batch(boxes=[object_on_the_right, LEFT]),
        ),
    )
    assert results["hit_rate_by_locations"] == Curve(1, (0.25, 0.5, 0.75))
    assert results["hit_rate"] == 0.75


def test_boxes_that_leave_the_image_are_cut_off_at_its_border():
    results = measure((make_outputs(boxes=[[RIGHT]]), make_batch(boxes=[[-1.0, 0.5, 2.0, 3.0]])))
    assert results["recall_by_locations"] == Curve(1, (1.0,))


def test_the_papers_grids_cover_what_table_7_says():
    # fMoW: a cell is a quarter of the image. ImageNet: 77 x 77 of 224 x 224 px, a row or column
    # less at the border; 11.71% is printed for what the trained network attends to.
    fmow = build()(tf.zeros((1, 448, 448, 3)), locations=(9,))
    imagenet = grids.attended_regions(
        grids.whole_images(25, (224, 224)),
        tf.range(25)[:, tf.newaxis],
        IMAGENET.grid,
        IMAGENET.cell,
    )
    cells = grids.boxes(imagenet, (224, 224)).numpy()[:, np.newaxis]
    one = measure((make_outputs(boxes=cells), make_batch(boxes=[NONE] * 25)))
    nine = measure((fmow._replace(boxes=fmow.boxes.numpy()), make_batch(boxes=[NONE])))
    assert one["coverage_by_locations"].at(1) == pytest.approx(0.1171, abs=0.001)
    assert nine["coverage_by_locations"].at(1) == pytest.approx(0.25)
    assert nine["coverage_by_locations"].last == pytest.approx(1.0)

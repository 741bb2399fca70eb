import numpy as np
import pytest

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation.results import Curve
from tnet_tf.robustness.gaze_overlap import GazeOverlap, gaze_overlap


def rasterised(before, after, side=40):
    """Overlap by counting pixels, of boxes that end on pixels."""

    def covered(boxes):
        picture = np.zeros((side, side), bool)
        for top, left, bottom, right in np.rint(boxes * side).astype(int):
            picture[top:bottom, left:right] = True
        return picture

    first, second = covered(before), covered(after)
    return (first & second).sum() / (first | second).sum()


def random_boxes(rng, count, locations, side=40):
    corners = np.sort(rng.integers(0, side, (count, locations, 2, 2)), axis=2)
    corners[:, :, 1] += 1
    return corners.reshape(count, locations, 4) / side


def test_overlap_is_what_counting_pixels_says():
    rng = np.random.default_rng(0)
    before, after = random_boxes(rng, 30, 4), random_boxes(rng, 30, 4)
    found = gaze_overlap(before, after)
    for image in range(30):
        for count in range(1, 5):
            expected = rasterised(before[image, :count], after[image, :count])
            assert found[image, count - 1] == pytest.approx(expected)


def test_the_same_regions_in_another_order_overlap_wholly():
    boxes = random_boxes(np.random.default_rng(1), 5, 3)
    np.testing.assert_allclose(gaze_overlap(boxes, boxes[:, ::-1])[:, -1], 1)


def test_regions_that_do_not_touch_do_not_overlap():
    before, after = np.array([[[0, 0, 0.5, 0.5]]]), np.array([[[0.5, 0.5, 1, 1]]])
    np.testing.assert_array_equal(gaze_overlap(before, after), 0)


def test_evaluator_gives_means_over_the_batch():
    before = np.array([[[0, 0, 0.5, 1]], [[0, 0, 1, 1]]])
    after = np.array([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
    evaluator = GazeOverlap(before)
    evaluator.update(make_outputs(boxes=after), make_batch(labels=[0, 1]))
    assert dict(evaluator.results()) == {"gaze_overlap_by_locations": Curve(1, (0.75,))}


def test_networks_without_locations_have_no_gaze():
    evaluator = GazeOverlap(np.zeros((2, 0, 4)))
    evaluator.update(make_outputs(boxes=np.zeros((2, 0, 4))), make_batch(labels=[0, 1]))
    assert dict(evaluator.results()) == {}

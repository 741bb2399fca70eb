import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY_MGNET, build
from tnet_tf.models.gazes import GAZES, CentralGaze, RandomGaze

SIDE = 48


@pytest.fixture(scope="module")
def images():
    return tf.random.stateless_uniform((6, SIDE, SIDE, 3), (1, 2), -1, 1)


def centres(boxes):
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def test_random_cells_are_all_as_frequent_and_never_taken_twice():
    numbers = tf.range(900)
    model = build(grid=3, base_resolution=(24, 24))
    cells = model(tf.zeros((900, 24, 24, 3)), locations=(4,), gaze=RandomGaze(numbers)).cells
    assert all(len(set(row)) == 4 for row in cells.numpy())
    for place in range(4):
        counts = np.bincount(cells.numpy()[:, place], minlength=9)
        # Chi-square with 8 degrees of freedom: 26.1 is passed once in a thousand times.
        assert ((counts - 100) ** 2 / 100).sum() < 26.1


@pytest.mark.parametrize("locations", [(2,), (2, 3)])
def test_random_cells_depend_on_seed_and_number_alone_not_on_the_batch(images, locations):
    model, numbers = build(), tf.range(6) + 10
    whole = model(images, locations=locations, gaze=RandomGaze(numbers)).cells.numpy()
    parts = [
        model(images[rows], locations=locations, gaze=RandomGaze(numbers[rows])).cells.numpy()
        for rows in (slice(4), slice(4, 6))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    other_seed = model(images, locations=locations, gaze=RandomGaze(numbers, seed=1)).cells
    assert (other_seed.numpy() != whole).any()
    assert len({tuple(row) for row in whole}) > 1


def test_a_deeper_level_does_not_repeat_the_draws_of_the_one_before(images):
    gaze = RandomGaze(tf.range(6))
    cells = build()(images, locations=(9, 9), gaze=gaze).cells.numpy().reshape(6, 10, 9)
    assert (cells[:, 0] != cells[:, 1]).any()


def test_central_cells_are_those_nearest_the_image_s_centre(images):
    gaze = CentralGaze(tf.range(6))
    odd = build(grid=3)(images, locations=(5,), gaze=gaze).cells.numpy()
    # The middle one of 3 by 3, then its neighbours in raster order.
    np.testing.assert_array_equal(odd, np.tile([4, 1, 3, 5, 7], (6, 1)))
    even = build(grid=4, cell=0.25)(images, locations=(4,), gaze=gaze).cells.numpy()
    np.testing.assert_array_equal(even, np.tile([5, 6, 9, 10], (6, 1)))


def test_central_cells_of_deeper_levels_are_near_the_image_s_centre_too(images):
    outputs = build(grid=4, cell=0.25)(images, locations=(4, 1), gaze=CentralGaze(tf.range(6)))
    distances = np.abs(centres(outputs.boxes.numpy()) - 0.5)
    # The corners of the four central cells, each its own quarter of theirs.
    np.testing.assert_allclose(distances[:, :4], 1 / 8, atol=1e-6)
    np.testing.assert_allclose(distances[:, 4:], 1 / 32, atol=0.01)


def test_a_gaze_changes_what_is_seen_and_nothing_else(images):
    model = build()
    learned = model(images, locations=(3,))

    class Same(CentralGaze):
        def scores(self, candidates, size, level):
            return tf.reshape(learned.location_probs[0], (-1,))

    for name, value in model(images, locations=(3,), gaze=Same(tf.range(6)))._asdict().items():
        tf.nest.map_structure(np.testing.assert_array_equal, value, getattr(learned, name))
    looking_away = model(images, locations=(3,), gaze=CentralGaze(tf.range(6)))
    np.testing.assert_allclose(looking_away.location_probs[0], learned.location_probs[0], atol=1e-6)
    np.testing.assert_allclose(
        looking_away.log_probs,
        np.log(
            np.take_along_axis(
                learned.location_probs[0].numpy()[:, 0], looking_away.cells.numpy(), axis=1
            )
        ),
        atol=1e-5,
    )


def test_the_central_glimpse_is_in_the_middle_and_of_mean_scale(images):
    model = build(TINY_MGNET, region_scale=(0.2, 0.6))
    boxes = model(images, locations=(2,), gaze=CentralGaze(tf.range(6))).boxes.numpy()
    np.testing.assert_allclose(centres(boxes), 0.5, atol=1e-6)
    # 0.4 of the way between the centres of the outermost pixels, and these whole.
    np.testing.assert_allclose(
        boxes[..., 2:] - boxes[..., :2], (0.4 * (SIDE - 1) + 1) / SIDE, atol=1e-6
    )


def test_random_glimpses_are_inside_the_image_and_of_every_allowed_scale():
    numbers = tf.range(400)
    model = build(TINY_MGNET, base_resolution=(8, 8), region_scale=(0.2, 0.6))
    images = tf.zeros((400, SIDE, SIDE, 3))
    boxes = model(images, locations=(2,), gaze=RandomGaze(numbers)).boxes.numpy()
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    scales = ((boxes[..., 2] - boxes[..., 0]) * SIDE - 1) / (SIDE - 1)
    assert 0.2 - 1e-5 < scales.min() < 0.21
    assert 0.59 < scales.max() < 0.6 + 1e-5
    assert scales.mean() == pytest.approx(0.4, abs=0.02)
    assert centres(boxes).mean(axis=(0, 1)) == pytest.approx([0.5, 0.5], abs=0.03)
    assert (boxes[:, 0] != boxes[:, 1]).any()


def test_networks_say_whether_they_attend():
    assert [build(model=model).attends for model in ("tnet", "mgnet", "feedforward")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("name", GAZES)
def test_gazes_work_in_graphs_of_any_batch_and_image_size(name):
    model = build()

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,), tf.int32)]
    )
    def boxes(images, numbers):
        return model(images, locations=(2, 1), gaze=GAZES[name](numbers)).boxes

    for count, height, width in ((3, 40, 64), (1, 90, 50)):
        assert boxes(tf.zeros((count, height, width, 3)), tf.range(count)).shape == (count, 4, 4)

import numpy as np
import pytest

from tests.evaluation.arrays import make_batch, make_outputs
from tnet_tf.evaluation.examples import AttentionExamples

NAMES = ("cat", "dog")


def shown(count, right, batch=4):
    """Examples chosen from a split of which the network gets these images right."""
    examples = AttentionExamples(count)
    for start in range(0, len(right), batch):
        part = np.asarray(right[start : start + batch])
        logits = np.eye(2)[np.where(part, 0, 1)][:, np.newaxis].repeat(2, axis=1)
        values = np.arange(start, start + len(part))
        images = np.broadcast_to(values.reshape(-1, 1, 1, 1) / 1000, (len(part), 4, 4, 3))
        examples.update(make_outputs(logits), make_batch([0] * len(part), images=images))
    assert dict(examples.results()) == {}
    return examples


def test_half_are_mistakes():
    right = np.arange(40) % 2 == 0
    numbers = shown(6, right).numbers
    assert [bool(right[number]) for number in numbers] == [True] * 3 + [False] * 3
    assert numbers[:3] == sorted(numbers[:3])
    assert numbers[3:] == sorted(numbers[3:])


@pytest.mark.parametrize(("mistakes", "expected"), [(1, 1), (0, 0), (40, 6), (38, 4)])
def test_what_one_half_lacks_the_other_makes_up_for(mistakes, expected):
    right = np.arange(40) >= mistakes
    numbers = shown(6, right).numbers
    assert len(numbers) == 6
    assert sum(number < mistakes for number in numbers) == expected


def test_an_odd_number_shows_one_hit_more():
    right = np.arange(40) % 2 == 0
    assert sum(bool(right[number]) for number in shown(5, right).numbers) == 3


def test_they_come_from_everywhere_in_the_split_whatever_the_batches():
    right = np.ones(1000, bool)
    numbers = shown(20, right, batch=64).numbers
    assert numbers == shown(20, right, batch=7).numbers
    assert numbers[0] < 200
    assert numbers[-1] > 800
    assert len(set(numbers)) == 20


def test_small_splits_are_shown_whole():
    assert shown(9, [True, False, True]).numbers == [0, 2, 1]
    assert shown(9, [True, False, True]).figure(NAMES) is not None


def test_the_figure_holds_the_images_of_these_numbers():
    examples = shown(4, np.arange(30) % 3 > 0)
    figure = examples.figure(NAMES)
    pixels = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes[::3]]
    expected = np.rint((np.array(examples.numbers) / 1000 + 1) * 127.5)
    np.testing.assert_array_equal(pixels, expected)
    captions = [axes.get_title("left").split("\n")[1] for axes in figure.axes[::3]]
    assert [caption.split()[1] for caption in captions] == ["cat", "cat", "dog", "dog"]


def test_batches_are_not_held_in_memory():
    examples = AttentionExamples(1)
    batch = make_batch([0] * 8, images=np.zeros((8, 4, 4, 3)))
    examples.update(make_outputs(np.zeros((8, 2, 2))), batch)
    (kept,) = examples._shown()
    assert kept.batch.images.base is None
    assert kept.outputs.logits.base is None


def test_without_images_there_is_no_figure():
    assert shown(0, [True] * 4).figure(NAMES) is None
    assert shown(3, []).figure(NAMES) is None

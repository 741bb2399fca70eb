import pytest

from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, splits
from tnet_tf.inputs.splits import Range


@pytest.fixture(scope="module")
def info(photos):
    """Of 14 images to train on, 4 to validate and 6 to test."""
    return catalog.open_dataset(photos).builder.info


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("train", [Range("train", 0, 14)]),
        ("train[:50%]", [Range("train", 0, 7)]),
        ("train[-4:]", [Range("train", 10, 14)]),
        ("train[2:-2]", [Range("train", 2, 12)]),
        ("val + test[1:]", [Range("val", 0, 4), Range("test", 1, 6)]),
        ("all", [Range("test", 0, 6), Range("train", 0, 14), Range("val", 0, 4)]),
    ],
)
def test_expressions_are_ranges_of_examples(info, expression, expected):
    assert splits.ranges(info, expression) == expected
    read = sum(part.take for part in info.splits[expression].file_instructions)
    assert read == sum(part.stop - part.start for part in expected)


@pytest.mark.parametrize(
    "expression, message",
    [
        ("train[50%:20%]", "takes those from 7 to below 3"),
        ("train[5:5]", "takes those from 5 to below 5"),
        ("train[:0]", "takes those from 0 to below 0"),
        ("train[:1%]", "takes those from 0 to below 0"),
        ("train[-2:-5]", "takes those from 12 to below 9"),
        ("val+train[9:3]", "of the 14 examples of train"),
        ("training", "no split 'training', only test, train, val"),
        ("train[:90]", "incompatible with 14 examples"),
        ("train[:200%]", r"in \[-100, 100\]"),
        ("train[", "no split 'train\\['"),
        ("train[:a]", "no split"),
        ("train[3]", "only support slice syntax"),
        ("train[1:2:3]", "no split"),
        ("all[:50%]", "does not support slice"),
        ("train+", "no split"),
        ("+", "no split"),
        ("train,val", "no split"),
    ],
)
def test_what_reads_nothing_is_told_in_one_line(info, expression, message):
    with pytest.raises(UserError, match=message) as error:
        splits.ranges(info, expression)
    assert "\n" not in str(error.value)
    assert repr(expression) in str(error.value)


def test_shared_examples_are_counted(info):
    for one, other, count in (
        ("train", "test", 0),
        ("train[:8]", "train[8:]", 0),
        ("train[:8]", "train[5:]", 3),
        ("train[2:4]+val", "all", 6),
    ):
        assert splits.shared(splits.ranges(info, one), splits.ranges(info, other)) == count

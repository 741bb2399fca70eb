"""Splits, slices and sums of them, in TFDS syntax, as ranges of examples."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow_datasets as tfds

from tnet_tf.errors import UserError


class Range(NamedTuple):
    """Examples `start` to `stop` - 1 of a split."""

    split: str
    start: int
    stop: int


def ranges(info: tfds.core.DatasetInfo, expression: str) -> list[Range]:
    """What an expression such as 'train[:80%]+validation' reads.

    Args:
      info: of the dataset that has the splits.
      expression: in TFDS syntax.

    Returns:
      One range for each part, none of them empty.

    Raises:
      UserError: for a split that is unknown, malformed or empty, or too short for the slice.
    """
    try:
        instructions = tfds.core.ReadInstruction.from_spec(expression).to_absolute(info.splits)
    except Exception as error:  # TFDS raises what it likes for what it can't read
        reason = str(error).strip().rpartition("\n")[2]
        raise UserError(
            f"{info.full_name} has no split {expression!r}, only {', '.join(info.splits)} and "
            f"slices such as 'train[:90%]' ({reason})"
        ) from error
    parts = []
    for instruction in instructions:
        split, start, stop = instruction.splitname, instruction.from_, instruction.to
        count = info.splits[split].num_examples
        part = Range(split, start or 0, count if stop is None else stop)
        if part.start >= part.stop:
            raise UserError(
                f"split {expression!r} is empty: of the {count} examples of {split} it takes those "
                f"from {part.start} to below {part.stop}"
            )
        parts.append(part)
    return parts


def shared(these: Sequence[Range], those: Sequence[Range]) -> int:
    """How many examples both have.

    >>> shared([Range("train", 0, 80)], [Range("train", 70, 100), Range("test", 0, 80)])
    10
    """
    return sum(
        len(range(max(one.start, other.start), min(one.stop, other.stop)))
        for one in these
        for other in those
        if one.split == other.split
    )

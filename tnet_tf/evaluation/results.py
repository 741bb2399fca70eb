"""What is measured: numbers by name, curves over the number of locations; JSON both ways.

In JSON a curve is an object that has its value for each number of locations, under a name that ends
in `_by_locations`: `"top1_by_locations": {"0": 0.618, "1": 0.962}`.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tnet_tf.errors import first_line

# How curves are named.
BY_LOCATIONS = "_by_locations"
# Earlier versions wrote curves as lists; these began at 1 location, all others at 0.
_LISTS_FROM_ONE = {
    f"{measure}{BY_LOCATIONS}"
    for measure in (
        "top1_attended_only",
        "top5_attended_only",
        "coverage",
        "precision",
        "recall",
        "hit_rate",
        "gaze_overlap",
    )
}


@dataclasses.dataclass(frozen=True)
class Curve:
    """A measure after every number of attended locations.

    Attributes:
      first: the number of locations of the first value: 0 for what the thumbnail alone decides,
        1 for what needs a location.
      values: after `first`, `first` + 1, .. L locations; at least one.

    Raises:
      ValueError: when there is no value.

    Example:
      >>> top1 = Curve(0, (0.618, 0.962))
      >>> top1.at(1), top1.last, top1.at(2)
      (0.962, 0.962, None)
    """

    first: int
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a curve has at least one value")

    @classmethod
    def of(cls, first: int, values: Any) -> "Curve":
        """The curve with these values, an array or a sequence."""
        return cls(first, tuple(np.asarray(values, np.float64).tolist()))

    @classmethod
    def mean(cls, curves: Sequence["Curve"], weights: Sequence[float] | None = None) -> "Curve":
        """The mean of curves over the same numbers of locations.

        Args:
          curves: at least one.
          weights: of each; None: all weigh the same.

        Raises:
          ValueError: when they are not over the same numbers of locations.
        """
        if len({tuple(curve.counts) for curve in curves}) > 1:
            raise ValueError("these curves are over different numbers of locations")
        values = [curve.values for curve in curves]
        return cls.of(curves[0].first, np.average(values, axis=0, weights=weights))

    @property
    def counts(self) -> range:
        """The numbers of locations for which there is a value."""
        return range(self.first, self.first + len(self.values))

    @property
    def last(self) -> float:
        """The value after all locations."""
        return self.values[-1]

    def at(self, count: int) -> float | None:
        """The value after `count` locations; None where there is none."""
        return self.values[count - self.first] if count in self.counts else None

    def to_plain(self) -> dict[str, float]:
        """What JSON has: values by number of locations."""
        return {str(count): value for count, value in zip(self.counts, self.values, strict=True)}

    @classmethod
    def from_plain(cls, values: Mapping[str, float]) -> "Curve":
        """The curve that `to_plain` describes.

        Raises:
          ValueError: for anything else.
        """
        by_count = sorted((int(count), value) for count, value in _object(values).items())
        curve = cls(by_count[0][0] if by_count else 0, tuple(value for _, value in by_count))
        counts = [count for count, _ in by_count]
        if counts != list(curve.counts) or not all(map(_is_number, curve.values)):
            raise ValueError(f"{values!r} has not one number for each number of locations")
        return curve


class Results(Mapping[str, Any]):
    """What was measured, by name.

    Values are numbers, texts, None, curves, and lists and results of those. The name of a curve,
    and of nothing else, ends in `_by_locations`; where it could not be measured, there is None.

    Args:
      values: by name.

    Example:
      >>> results = Results({"images": 9, "top1_by_locations": Curve(0, (0.5, 0.75))})
      >>> results["top1_by_locations"].last
      0.75
      >>> Results.from_json(results.to_json()) == results
      True
    """

    def __init__(self, values: Mapping[str, Any]):
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __or__(self, others: Mapping[str, Any]) -> "Results":
        """These results and others, which take the place of those of the same name."""
        return Results({**self, **others})

    def __repr__(self) -> str:
        return f"Results({self._values!r})"

    @property
    def curves(self) -> dict[str, Curve]:
        """All curves, by what they measure: by their names without the `_by_locations`."""
        return {
            name.removesuffix(BY_LOCATIONS): value
            for name, value in self.items()
            if isinstance(value, Curve)
        }

    def to_plain(self) -> dict[str, Any]:
        """What JSON has: plain dicts, lists, numbers and texts."""
        return _plain(self)

    def to_json(self) -> str:
        """As JSON, readable and stable.

        Raises:
          ValueError: for a value that is not finite, which JSON can't hold.
        """
        return json.dumps(self.to_plain(), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Results":
        """The results that `to_plain` describes.

        Raises:
          ValueError: for anything else.
        """
        return cls({name: _typed(name, value) for name, value in _object(values).items()})

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """The results that `to_json`, or an earlier version, wrote.

        Raises:
          ValueError: for anything else; one line.
        """
        try:
            return cls.from_plain(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it holds no results: {first_line(error)}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Curve):
        return value.to_plain()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _typed(name: str, value: Any) -> Any:
    if name.endswith(BY_LOCATIONS) and value is not None:
        if isinstance(value, list) and all(map(_is_number, value)):
            return Curve(1 if name in _LISTS_FROM_ONE else 0, tuple(value))
        return Curve.from_plain(value)
    if isinstance(value, Mapping):
        return Results.from_plain(value)
    return [_typed("", part) for part in value] if isinstance(value, list) else value


def _object(value: Any) -> Mapping[str, Any]:
    """The value, if it is an object of JSON."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no object of values by name")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Times several things so that they can be compared, on a machine whose speed drifts."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar

from tqdm import tqdm

Key = TypeVar("Key", bound=Hashable)


class Spread(NamedTuple):
    """Median and standard deviation (of the sample; 0 for a single value) of some values."""

    median: float
    std: float


def spread(values: list[float]) -> Spread:
    """Median and standard deviation of at least one value.

    The median of times is hardly moved by the few calls that something else interrupted.
    """
    return Spread(statistics.median(values), statistics.stdev(values) if len(values) > 1 else 0.0)


def interleaved(
    actions: Mapping[Key, Callable[[], object]],
    sets: int,
    calls: int = 1,
    warm_up: int = 2,
    progress: bool = False,
) -> dict[Key, list[float]]:
    """Times actions by the paper's protocol: sets of calls, the first calls dropped (appendix 2.3).

    Every set times all actions one after the other, so that a machine that gets slower or faster
    meanwhile does so for all of them alike. Each set begins with the next action, so that none
    always comes after the same share of the others.

    Args:
      actions: by name, in the order in which they take turns in the first set; each call must
        return after its work is done.
      sets: times measured of each action.
      calls: of an action in each set.
      warm_up: calls of each action before the first set, not measured.
      progress: shows sets done and the time left.

    Returns:
      Seconds per call by name, one number for each set.
    """
    for action in actions.values():
        for _ in range(warm_up):
            action()
    seconds: dict[Key, list[float]] = {name: [] for name in actions}
    turns = list(actions.items())
    for number in tqdm(range(sets), desc="timing", unit="set", disable=not progress):
        first = number % max(1, len(turns))
        for name, action in turns[first:] + turns[:first]:
            started = time.perf_counter()
            for _ in range(calls):
                action()
            seconds[name].append((time.perf_counter() - started) / calls)
    return seconds

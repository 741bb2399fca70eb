import time

import pytest

from tnet_tf.benchmarking import stopwatch
from tnet_tf.benchmarking.stopwatch import Spread, interleaved, spread


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, monkeypatch):
        self.now, self.log = 0.0, []
        monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: self.now)

    def work(self, name, *seconds):
        """Work that takes these times, call after call, and the last one from then on."""
        rest = list(seconds)

        def action():
            self.log.append(name)
            self.now += rest.pop(0) if len(rest) > 1 else rest[0]

        return action


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_seconds_are_those_of_a_call(clock):
    measured = interleaved({"work": clock.work("work", 3.0)}, sets=4, calls=5)
    assert measured == {"work": [3.0] * 4}


def test_first_calls_are_dropped(clock):
    work = clock.work("work", 100.0, 50.0, 2.0)
    assert interleaved({"work": work}, sets=2, warm_up=2) == {"work": [2.0, 2.0]}


def test_actions_take_turns_in_every_set(clock):
    actions = {name: clock.work(name, 1.0) for name in "ab"}
    interleaved(actions, sets=2, calls=2, warm_up=1)
    assert "".join(clock.log) == "ab" + "aabb" + "bbaa"


def test_no_action_is_always_the_last_of_a_set(clock):
    actions = {name: clock.work(name, 1.0) for name in "abc"}
    interleaved(actions, sets=4, warm_up=0)
    assert "".join(clock.log) == "abc" + "bca" + "cab" + "abc"


def test_a_set_is_the_mean_of_its_calls(clock):
    work = clock.work("work", 1.0, 2.0, 3.0, 4.0)
    assert interleaved({"work": work}, sets=2, calls=2, warm_up=0) == {"work": [1.5, 3.5]}


def test_a_set_that_something_else_interrupts_does_not_move_the_median(clock):
    work = clock.work("work", 2.0, 3.0, 2.0, 100.0, 1.0, 2.0)
    assert spread(interleaved({"work": work}, sets=5, warm_up=0)["work"]).median == 2.0


def test_a_real_sleep_has_its_length():
    seconds = interleaved({"sleep": lambda: time.sleep(0.05)}, sets=5, calls=2)["sleep"]
    assert min(seconds) == pytest.approx(0.05, rel=0.2)


def test_spread_is_median_and_deviation_of_the_sample():
    assert spread([1.0, 3.0]) == Spread(2.0, pytest.approx(2**0.5))
    assert spread([4.0, 1.0, 1.0]) == Spread(1.0, pytest.approx(3**0.5))
    assert spread([7.0]) == Spread(7.0, 0.0)

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.test_step import make_step
from tnet_tf.config import TrainConfig
from tnet_tf.training.schedules import (
    OneCycle,
    OneCycleMomentum,
    learning_rate_schedule,
    momentum_schedule,
)


def pytorch_s(rate, steps, share):
    """The rates of PyTorch's OneCycleLR: initial rate max_lr / 25, final rate initial / 10,000."""
    return pytorch_s_phases(steps, share, rate / 25, rate, rate / 25 / 1e4)


def pytorch_s_phases(steps, share, first, middle, final):
    """The values of PyTorch's OneCycleLR, step by step as its documentation has them.

    Two phases, each between a first and a last step that need not be whole numbers.
    """
    phases = [(share * steps - 1, first, middle), (steps - 1, middle, final)]
    rates = []
    for step in range(steps):
        begins = 0.0
        for ends, start, end in phases:
            if step <= ends:
                done = (step - begins) / (ends - begins)
                rates.append(end + (start - end) / 2 * (1 + math.cos(math.pi * done)))
                break
            begins = ends
    return rates


@pytest.mark.parametrize(
    ("steps", "share"), [(10, 0.2), (100, 0.3), (101, 0.25), (7, 0.5), (1560, 0.2), (5000, 0.01)]
)
def test_one_cycle_is_pytorch_s(steps, share):
    rates = OneCycle(0.1, steps, share)(tf.range(steps))
    np.testing.assert_allclose(rates, pytorch_s(0.1, steps, share), rtol=1e-3, atol=1e-8)


def test_one_cycle_starts_at_a_25th_peaks_and_ends_at_almost_nothing():
    schedule = OneCycle(0.5, 200, 0.2)
    rates = [float(schedule(step)) for step in range(200)]
    assert rates[0] == pytest.approx(0.5 / 25)
    assert np.argmax(rates) == 39
    assert rates[39] == pytest.approx(0.5)
    assert rates[199] == pytest.approx(0.5 / 25 / 1e4, rel=0.01)
    assert (np.diff(rates[:40]) > 0).all() and (np.diff(rates[39:]) < 0).all()


def test_one_cycle_has_no_jumps():
    schedule = OneCycle(1.0, 200, 0.213)
    rates = schedule(tf.linspace(0.0, 199.0, 20000))
    # A cosine over 41 steps climbs at most pi / 2 of its height in as many.
    assert np.abs(np.diff(rates)).max() < 1.01 * math.pi / 2 / 41 * 199 / 19999


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_rates_too(steps, share):
    schedule = OneCycle(0.1, steps, share)
    # Also after the last step, whose rate may be asked for when a run is over.
    for step in range(steps + 2):
        assert 0 < float(schedule(step)) <= 0.1 * (1 + 1e-6)


def test_rates_stay_at_their_last_after_the_run():
    schedule = OneCycle(0.1, 50, 0.2)
    assert float(schedule(49)) == float(schedule(1000)) > 0


def test_schedules_survive_serialization():
    schedule = OneCycle(0.1, 50, 0.3)
    text = json.dumps(keras.saving.serialize_keras_object(schedule))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again.get_config() == schedule.get_config() == {"rate": 0.1, "steps": 50, "warm_up": 0.3}
    assert [float(again(step)) for step in range(50)] == [float(schedule(s)) for s in range(50)]
    optimizer = keras.optimizers.SGD(schedule)
    restored = keras.optimizers.SGD.from_config(optimizer.get_config())
    assert float(restored.learning_rate) == pytest.approx(0.1 / 25)


@pytest.mark.parametrize("rate", [0.5, 0.01])
def test_settings_name_the_schedule(rate):
    one = TrainConfig(schedule="one_cycle", warm_up=0.3)
    np.testing.assert_allclose(
        [float(learning_rate_schedule(rate, 20, one)(step)) for step in range(20)],
        pytorch_s(rate, 20, 0.3),
        rtol=1e-3,
    )
    step = TrainConfig(schedule="step", learning_rate_drop_at=0.7, learning_rate_drop=0.2)
    rates = [float(learning_rate_schedule(rate, 20, step)(number)) for number in range(20)]
    np.testing.assert_allclose(rates, [rate] * 14 + [0.2 * rate] * 6, rtol=1e-6)


@pytest.mark.parametrize(("steps", "share"), [(10, 0.2), (101, 0.25), (1560, 0.2)])
def test_momentum_cycles_against_the_rate_as_pytorch_s(steps, share):
    momentum = [float(OneCycleMomentum(0.95, 0.85, steps, share)(step)) for step in range(steps)]
    expected = pytorch_s_phases(steps, share, 0.95, 0.85, 0.95)
    np.testing.assert_allclose(momentum, expected, rtol=1e-5)


def test_settings_name_the_momentum():
    cycle = TrainConfig(schedule="one_cycle", warm_up=0.3, momentum=0.7)
    values = [float(momentum_schedule(20, cycle)(step)) for step in range(20)]
    np.testing.assert_allclose(values, pytorch_s_phases(20, 0.3, 0.95, 0.85, 0.95), rtol=1e-5)
    constant = [
        dataclasses.replace(cycle, momentum_cycle=()),
        dataclasses.replace(cycle, schedule="step"),
    ]
    assert [momentum_schedule(20, config) for config in constant] == [0.7, 0.7]


def test_an_optimizer_follows_the_cycle():
    train = TrainConfig(optimizer="sgd", schedule="one_cycle", learning_rate=0.1, train_steps=10)
    (group,) = make_step(train).groups
    rates = []
    for _ in range(10):
        rates.append(float(group.optimizer.learning_rate))
        group.optimizer.apply_gradients([(tf.zeros(v.shape), v) for v in group.variables])
    np.testing.assert_allclose(rates, pytorch_s(0.1, 10, 0.2), rtol=1e-3, atol=1e-8)

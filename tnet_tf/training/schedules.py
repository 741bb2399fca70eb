"""Learning rates and momentum over the steps of a run (paper 5.1; MGNet paper, 4.1)."""

from typing import Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from tnet_tf.config import TrainConfig

# Where a cycle starts, and ends, as fractions of its highest rate and of its start (PyTorch's).
START, END = 1 / 25, 1e-4


def learning_rate_schedule(rate: float, steps: int, config: TrainConfig) -> LearningRateSchedule:
    """The schedule that the settings name.

    Args:
      rate: the learning rate, the highest one of the run.
      steps: of the whole run.
      config: which schedule, and its shape.
    """
    if config.schedule == "one_cycle":
        return OneCycle(rate, steps, config.warm_up)
    # A rate holds up to and including its boundary, and the first step is number 0.
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [drop_step(config, steps) - 1], [rate, rate * config.learning_rate_drop]
    )


def drop_step(config: TrainConfig, steps: int) -> int:
    """How many steps of a run come before --schedule=step drops the learning rate."""
    return round(config.learning_rate_drop_at * steps)


def momentum_schedule(steps: int, config: TrainConfig) -> float | LearningRateSchedule:
    """The momentum of SGD that the settings name: constant, or in a cycle with the rate.

    Args:
      steps: of the whole run.
      config: schedule, its shape, and the momentum.
    """
    if config.schedule == "one_cycle" and config.momentum_cycle:
        highest, lowest = config.momentum_cycle
        return OneCycleMomentum(highest, lowest, steps, config.warm_up)
    return config.momentum


@keras.saving.register_keras_serializable(package="tnet_tf")
class OneCycle(LearningRateSchedule):
    """The one-cycle policy (Smith and Topin, 2018) with a cosine up and a cosine down.

    Args:
      rate: the highest learning rate; the first one is a 25th of it.
      steps: of the whole run; the last one's rate is a 10,000th of the first one's.
      warm_up: share of the steps in which the rate rises.
    """

    def __init__(self, rate: float, steps: int, warm_up: float):
        self.rate, self.steps, self.warm_up = rate, steps, warm_up

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate of a step, counted from 0."""
        ends = self.rate * START, self.rate, self.rate * START * END
        return _cycle(step, self.steps, self.warm_up, *ends)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"rate": self.rate, "steps": self.steps, "warm_up": self.warm_up}


@keras.saving.register_keras_serializable(package="tnet_tf")
class OneCycleMomentum(LearningRateSchedule):
    """SGD's momentum in the one-cycle policy: lowest where the learning rate is highest.

    The paper does not name it; PyTorch's policy cycles it unless told otherwise, and so did the
    published training.

    Args:
      highest: the momentum of the first and the last step.
      lowest: the momentum where the rate has its peak.
      steps: of the whole run.
      warm_up: share of the steps in which the rate rises and the momentum falls.
    """

    def __init__(self, highest: float, lowest: float, steps: int, warm_up: float):
        self.highest, self.lowest = highest, lowest
        self.steps, self.warm_up = steps, warm_up

    def __call__(self, step: Any) -> tf.Tensor:
        """The momentum of a step, counted from 0."""
        return _cycle(step, self.steps, self.warm_up, self.highest, self.lowest, self.highest)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        momentum = {"highest": self.highest, "lowest": self.lowest}
        return {**momentum, "steps": self.steps, "warm_up": self.warm_up}


def _cycle(
    step: Any, steps: int, warm_up: float, start: float, middle: float, end: float
) -> tf.Tensor:
    """From start to middle in the warm-up and on to end by the last step, along two cosines."""
    # As in PyTorch, the middle is a step, which may lie between two.
    peak = max(warm_up * steps - 1, 1e-9)
    rest = max(steps - 1 - peak, 1e-9)
    step = tf.cast(step, tf.float32)
    first = _cosine(start, middle, step / peak)
    second = _cosine(middle, end, (step - peak) / rest)
    return tf.where(step <= peak, first, second)


def _cosine(start: float, end: float, share: tf.Tensor) -> tf.Tensor:
    """From start to end along half a cosine, for a share in 0 .. 1."""
    share = tf.clip_by_value(share, 0.0, 1.0)
    return end + (start - end) * (1 + tf.cos(3.141592653589793 * share)) / 2

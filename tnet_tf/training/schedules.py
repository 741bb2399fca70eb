"""Learning rates over the steps of a run (paper 5.1; MGNet paper, 4.1)."""

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
    drop_at = round(config.learning_rate_drop_at * steps)
    # A rate holds up to and including its boundary, and the first step is number 0.
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [drop_at - 1], [rate, rate * config.learning_rate_drop]
    )


@keras.saving.register_keras_serializable(package="tnet_tf")
class OneCycle(LearningRateSchedule):
    """The one-cycle policy (Smith and Topin, 2018) with a cosine up and a cosine down.

    Momentum stays constant.

    Args:
      rate: the highest learning rate; the first one is a 25th of it.
      steps: of the whole run; the last one's rate is a 10,000th of the first one's.
      warm_up: share of the steps in which the rate rises.
    """

    def __init__(self, rate: float, steps: int, warm_up: float):
        self.rate, self.steps, self.warm_up = rate, steps, warm_up

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate of a step, counted from 0."""
        # As in PyTorch, the peak is a step, which may lie between two.
        peak = max(self.warm_up * self.steps - 1, 1e-9)
        last = max(self.steps - 1 - peak, 1e-9)
        step = tf.cast(step, tf.float32)
        up = _cosine(self.rate * START, self.rate, step / peak)
        down = _cosine(self.rate, self.rate * START * END, (step - peak) / last)
        return tf.where(step <= peak, up, down)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"rate": self.rate, "steps": self.steps, "warm_up": self.warm_up}


def _cosine(start: float, end: float, share: tf.Tensor) -> tf.Tensor:
    """From start to end along half a cosine, for a share in 0 .. 1."""
    share = tf.clip_by_value(share, 0.0, 1.0)
    return end + (start - end) * (1 + tf.cos(3.141592653589793 * share)) / 2

"""Whether a run may become longer or shorter than it was to be.

Order, augmentation and noise of a step do not depend on how many steps there are; learning rates
do. So it may if every step that is done would have been made at the same rate.
"""

import numpy as np
import tensorflow as tf

from tnet_tf.config import TrainConfig
from tnet_tf.errors import UserError
from tnet_tf.run import Run
from tnet_tf.training.checkpoint_files import last_checkpoint, step_of
from tnet_tf.training.schedules import drop_step, learning_rate_schedule


def check_length(before: TrainConfig, steps_before: int, now: TrainConfig, steps: int) -> None:
    """Checks that the steps a run has done are those of the run that the settings now describe.

    Args:
      before: settings of the run in `now.run_dir`.
      steps_before: how many steps it was to have.
      now: the same settings but for the run's length and --learning_rate_drop_at.
      steps: how many steps it is to have now.

    Raises:
      UserError: when it has done more steps, or did them at other learning rates.
    """
    last = last_checkpoint(Run(now.run_dir))
    done = step_of(last) if last else 0
    if done > steps:
        raise UserError(
            f"{now.run_dir} has done {done} steps of {steps_before}, more than the {steps} asked "
            "for; give as many or more, or another --run_dir"
        )
    was, would_be = _rates(before, steps_before, done), _rates(now, steps, done)
    others = np.flatnonzero(was != would_be)
    if len(others):
        first = others[0]
        raise UserError(
            f"{now.run_dir} has done {done} steps of {steps_before}; of {steps}, the learning rate "
            f"would have been {would_be[first]:.4g} instead of {was[first]:.4g} from step "
            f"{first + 1} on, which lies in the past. {_advice(before, steps_before, now, steps)}"
        )


def _rates(train: TrainConfig, steps: int, done: int) -> np.ndarray:
    """The learning rates of the first `done` steps, (done,) float32."""
    return learning_rate_schedule(train.learning_rate, steps, train)(tf.range(done)).numpy()


def _advice(before: TrainConfig, steps_before: int, now: TrainConfig, steps: int) -> str:
    """What lets the run go on, or what there is instead."""
    if now.schedule == "step":
        drop = min(drop_step(before, steps_before), steps)
        shares = (f"{drop / steps:.{digits}f}" for digits in range(1, 18))
        share = next(text for text in shares if round(float(text) * steps) == drop)
        return f"Give --learning_rate_drop_at={share} to let it drop after step {drop}"
    return (
        f"Give another --run_dir, and --pretrained={now.run_dir} to start from its best model, or "
        f"go on with its {steps_before} steps"
    )

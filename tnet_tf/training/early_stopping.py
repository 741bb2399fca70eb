"""Ending a run that no longer gets better."""

import tensorflow as tf


class EarlyStopping(tf.Module):
    """Ends training after some evaluations in a row that brought no better validation top-1.

    Args:
      patience: how many; 0: training goes on to its last step.

    Attributes:
      waited: evaluations since the best one, an int64 variable; part of the run's state.
    """

    def __init__(self, patience: int):
        super().__init__()
        self.patience = patience
        self.waited = tf.Variable(0, dtype=tf.int64, trainable=False, name="waited")

    def update(self, better: bool) -> None:
        """Takes in whether an evaluation was better than all before it."""
        self.waited.assign(0 if better else self.waited + 1)

    @property
    def ended(self) -> bool:
        """Whether training is over."""
        return bool(self.patience) and int(self.waited.numpy()) >= self.patience

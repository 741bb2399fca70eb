"""SGD as MGNet's published training has it: PyTorch's, with a momentum that may cycle."""

from typing import Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule


@keras.saving.register_keras_serializable(package="tnet_tf")
class MomentumSGD(keras.optimizers.SGD):
    """Stochastic gradient descent whose velocity v is free of the learning rate, as PyTorch's.

    v <- momentum * v + gradient, weight <- weight - rate * v. In Keras's own SGD each gradient
    enters the velocity multiplied by the learning rate of its step, so the two differ while the
    rate changes.

    Args:
      learning_rate: a number or a schedule.
      momentum: a number in [0, 1], or a schedule of the momentum over the steps.
      **kwargs: Keras's, `name` among them.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float | LearningRateSchedule = 0.9,
        **kwargs: Any,
    ):
        constant = 0.5 if callable(momentum) else momentum  # Keras's own takes numbers only.
        super().__init__(learning_rate, momentum=constant, **kwargs)
        self.momentum = momentum

    def update_step(self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor) -> None:
        """Updates one weight and its velocity; called by Keras."""
        momentum = self.momentum(self.iterations) if callable(self.momentum) else self.momentum
        change = tf.cast(gradient, variable.dtype)
        if self.momentums:
            velocity = self.momentums[self._get_variable_index(variable)]
            self.assign(velocity, tf.cast(momentum, variable.dtype) * velocity + change)
            change = tf.convert_to_tensor(velocity)
        self.assign_sub(variable, tf.cast(learning_rate, variable.dtype) * change)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        momentum = self.momentum
        if callable(momentum):
            momentum = keras.saving.serialize_keras_object(momentum)
        return {**super().get_config(), "momentum": momentum}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "MomentumSGD":
        """The optimiser that `get_config` describes."""
        momentum = config["momentum"]
        if isinstance(momentum, dict):
            momentum = keras.saving.deserialize_keras_object(momentum, custom_objects)
        return super().from_config({**config, "momentum": momentum}, custom_objects)

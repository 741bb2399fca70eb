import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.test_step import make_step
from tnet_tf.config import TrainConfig
from tnet_tf.training.momentum import MomentumSGD
from tnet_tf.training.schedules import OneCycle, OneCycleMomentum

STEPS = 12
RATE, MOMENTUM = OneCycle(0.5, STEPS, 0.3), OneCycleMomentum(0.95, 0.85, STEPS, 0.3)


def by_hand(start, gradients, rates, momenta):
    """PyTorch's update as its documentation of torch.optim.SGD has it."""
    weight, velocity = start.astype(np.float64), 0.0
    path = []
    for gradient, rate, momentum in zip(gradients, rates, momenta, strict=True):
        velocity = momentum * velocity + gradient
        weight = weight - rate * velocity
        path.append(weight)
    return path


@pytest.mark.parametrize("momentum", [MOMENTUM, 0.9, 0.0])
def test_the_update_is_pytorch_s(momentum):
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=5), random.normal(size=(STEPS, 5))
    variable = keras.Variable(start.astype(np.float32))
    optimizer = MomentumSGD(RATE, momentum)
    path = []
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        path.append(variable.numpy())
    rates = [float(RATE(step)) for step in range(STEPS)]
    momenta = [float(momentum(s)) if callable(momentum) else momentum for s in range(STEPS)]
    np.testing.assert_allclose(path, by_hand(start, gradients, rates, momenta), rtol=1e-4)


@pytest.mark.parametrize("momentum", [MOMENTUM, 0.9])
def test_the_optimizer_survives_serialization(momentum):
    optimizer = MomentumSGD(RATE, momentum, name="sgd_new")
    text = json.dumps(keras.saving.serialize_keras_object(optimizer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again.get_config() == optimizer.get_config()
    if callable(momentum):
        assert float(again.momentum(3)) == float(momentum(3))


def test_training_by_sgd_cycles_its_momentum():
    """Constant gradients by the training's own optimiser: the path tells the momentum."""
    train = TrainConfig(
        optimizer="sgd", schedule="one_cycle", learning_rate=0.1, warm_up=0.3, train_steps=STEPS
    )
    (group,) = make_step(train).groups
    before = [variable.numpy() for variable in group.variables]
    for _ in range(STEPS):
        group.optimizer.apply_gradients([(tf.ones(v.shape), v) for v in group.variables])
    rates = [float(OneCycle(0.1, STEPS, 0.3)(step)) for step in range(STEPS)]
    momenta = [float(MOMENTUM(step)) for step in range(STEPS)]
    (moved,) = by_hand(np.zeros(1), np.ones((STEPS, 1)), rates, momenta)[-1]
    for variable, start in zip(group.variables, before, strict=True):
        np.testing.assert_allclose(variable.numpy() - start, moved, rtol=1e-4)

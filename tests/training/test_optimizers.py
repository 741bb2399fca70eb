import keras
import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.config import TrainConfig
from tnet_tf.training.devices import make_strategy
from tnet_tf.training.optimizers import make_groups

RATE, DECAY, EPSILON = 0.1, 0.3, 1e-3
ADAMW = TrainConfig(
    optimizer="adamw",
    learning_rate=RATE,
    weight_decay=DECAY,
    adam_epsilon=EPSILON,
    pretrained_learning_rate=RATE / 10,
    train_steps=100,
)
SHAPES = {"kernel": (3, 2), "bias": (2,), "gamma": (3,), "loaded_kernel": (2, 2)}


@pytest.mark.parametrize(
    ("settings", "epsilon"), [({}, 1e-7), ({"adam_epsilon": 1e-2}, 1e-2)], ids=["default", "given"]
)
@pytest.mark.parametrize("gradient", [1e-6, 0.3])
def test_adam_s_first_step_in_closed_form(settings, epsilon, gradient):
    """m = 0.1 g and v = 0.001 g^2: the step is sqrt(0.001) / 0.1 times m / (sqrt(v) + epsilon)."""
    weight = keras.Variable(np.zeros(1, np.float32))
    train = TrainConfig(learning_rate=0.5, train_steps=10, **settings)
    (group,) = make_groups({"weight": weight}, (), 10, train)
    group.optimizer.apply_gradients([(np.array([gradient], np.float32), weight)])
    root = np.sqrt(0.001)
    expected = -0.5 * root * gradient / (root * gradient + epsilon)
    np.testing.assert_allclose(weight.numpy(), [expected], rtol=1e-3)


def adamw(weight, gradients, rate, decay):
    """Algorithm 2 of Loshchilov and Hutter (2019), with epsilon where Keras has it."""
    first = second = 0.0
    for step, gradient in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        weight = weight - rate * decay * weight - corrected * first / (np.sqrt(second) + EPSILON)
    return weight


@pytest.mark.parametrize("devices", [1, 2])
def test_adamw_decays_matrices_alone_and_apart_from_their_gradients(devices):
    random = np.random.default_rng(0)
    start = {name: random.normal(size=shape) for name, shape in SHAPES.items()}
    gradients = {name: random.normal(size=(3, *shape)) for name, shape in SHAPES.items()}
    strategy = make_strategy(devices)
    with strategy.scope():
        variables = {n: keras.Variable(value.astype(np.float32)) for n, value in start.items()}
        groups = make_groups(variables, ["loaded_kernel"], 100, ADAMW)
    names = {id(variable): name for name, variable in variables.items()}

    @tf.function
    def apply(step):
        for group in groups:
            share = [
                tf.constant(gradients[names[id(v)]], tf.float32)[step] / devices
                for v in group.variables
            ]
            group.optimizer.apply_gradients(zip(share, group.variables, strict=True))

    for step in range(3):
        strategy.run(apply, args=(tf.constant(step),))
    for name, variable in variables.items():
        rate = RATE / 10 if name == "loaded_kernel" else RATE
        decay = DECAY if "kernel" in name else 0
        expected = adamw(start[name], gradients[name], rate, decay)
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6, err_msg=name)

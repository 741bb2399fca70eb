import keras
import numpy as np
import pytest

from tnet_tf.config import TrainConfig
from tnet_tf.training.optimizers import make_groups


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

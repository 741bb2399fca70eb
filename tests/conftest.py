"""Shared by all tests: two virtual CPU devices, and reproducible seeds."""

import keras
import pytest

from tnet_tf.training.devices import make_strategy

# Devices are fixed once TensorFlow has started, so this comes before any test.
make_strategy(2)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)

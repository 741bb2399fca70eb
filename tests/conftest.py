"""Shared by all tests: two virtual CPU devices, reproducible seeds, and a prepared dataset."""

import keras
import pytest

from tests.evaluated_runs import CLASSES, prepared
from tnet_tf.training.devices import make_strategy

# Devices are fixed once TensorFlow has started, so this comes before any test.
make_strategy(2)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def insects(tmp_path_factory):
    """Settings of a prepared folder of images of three classes."""
    return prepared(tmp_path_factory.mktemp("insects"), CLASSES)

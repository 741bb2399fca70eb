"""Shared by all tests: reproducible seeds, and the paper's networks."""

import keras
import pytest


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)

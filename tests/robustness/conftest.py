"""Networks to attack, compiled once for all tests, and the library of corruptions."""

import keras
import pytest

from tests.networks import build
from tests.robustness.attacked import CLASSES, PUBLISHED, SIZE, fresh
from tests.robustness.pictures import grey
from tnet_tf.robustness.attacks import Attacker
from tnet_tf.robustness.corruptions import corrupt


@pytest.fixture(scope="session")
def networks():
    """Networks and their attackers by kind, compiled once for all tests."""

    def make(kind):
        keras.utils.set_random_seed(1)
        model = build(model=kind, classes=CLASSES)
        return model, Attacker(model, SIZE[kind], PUBLISHED)

    return {kind: make(kind) for kind in SIZE}


@pytest.fixture
def attacker(networks):
    """The attacker of the feed-forward network, as it was made."""
    return fresh(networks, "feedforward")


@pytest.fixture(scope="session")
def library():
    """The package `imagecorruptions`."""
    corrupt(grey(), "contrast", 1, seed=0)  # It can be imported once we mended it.
    import imagecorruptions

    return imagecorruptions

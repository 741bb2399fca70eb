import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.models.efficientnet import EfficientNet, MBConv


def test_stochastic_depth_grows_linearly_from_block_to_block():
    rates = [block.drop_branch.rate for block in EfficientNet("b0", stochastic_depth=0.32).blocks]
    np.testing.assert_allclose(rates, 0.02 * np.arange(16))


def test_a_dropped_block_hands_on_its_input():
    block = MBConv(channels=4, kernel=3, stride=1, expansion=2, drop=0.5)
    images = tf.random.stateless_normal((64, 5, 5, 4), (0, 1))
    branch = np.asarray(block(images, training=True) - images)
    dropped = (branch == 0).all(axis=(1, 2, 3))
    assert 0.25 < dropped.mean() < 0.75
    assert (branch[~dropped] != 0).mean() > 0.99
    assert (np.asarray(block(images) - images) != 0).mean() > 0.99


@pytest.mark.parametrize("changed", [{"stride": 2}, {"channels": 8}])
def test_blocks_without_a_shortcut_are_never_dropped(changed):
    settings = {"channels": 4, "kernel": 3, "stride": 1, "expansion": 2, **changed}
    outputs = MBConv(**settings, drop=0.9)(tf.ones((64, 4, 4, 4)), training=True)
    expected = MBConv(**settings)(tf.ones((64, 4, 4, 4)), training=True)
    assert outputs.shape == expected.shape
    assert (np.asarray(outputs) == 0).all(axis=(1, 2, 3)).sum() == 0

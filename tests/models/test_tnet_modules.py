import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build


@pytest.mark.parametrize("model", ["tnet", "feedforward"])
def test_dropout_stands_before_the_classifier_in_training(model):
    """Where the classifier is the identity, the logits are the features, halved in number."""
    channels = build(model=model).feature_extraction.feature_channels
    network = build(classes=channels, model=model, dropout=0.5)
    network.classification.linear.kernel.assign(tf.eye(channels))
    images = tf.random.stateless_uniform((4, 48, 48, 3), (0, 1), -1, 1)
    outputs = network(images)
    np.testing.assert_allclose(outputs.logits, outputs.features, rtol=1e-5, atol=1e-6)
    outputs = network(images, training=True)
    used = np.abs(outputs.features) > 1e-6
    kept = outputs.logits.numpy()[used] != 0
    assert 0.3 < kept.mean() < 0.7
    expected = 2 * outputs.features.numpy()[used][kept]
    np.testing.assert_allclose(outputs.logits.numpy()[used][kept], expected, rtol=1e-4)

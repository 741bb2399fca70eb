import keras
import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.learning.cross_entropy import cross_entropy

LOGITS = np.random.default_rng(0).normal(0, 3, (6, 4, 5)).astype(np.float32)
LABELS = np.array([0, 4, 1, 1, 3, 2], np.int32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_label_smoothing_is_keras_s(smoothing):
    found = cross_entropy(tf.constant(LOGITS), LABELS[:, np.newaxis], smoothing)
    one_hot = np.repeat(np.eye(5)[LABELS][:, np.newaxis], 4, axis=1)
    keras_s = keras.losses.categorical_crossentropy(
        one_hot, LOGITS, from_logits=True, label_smoothing=smoothing
    )
    np.testing.assert_allclose(found, keras_s, rtol=1e-5)


def test_weights_are_those_of_images():
    weights = np.array([1, 0, 2, 0.5, 3, 1], np.float32)
    for logits, labels in ((LOGITS, LABELS[:, np.newaxis]), (LOGITS[:, 0], LABELS)):
        alike = cross_entropy(tf.constant(logits), labels).numpy()
        found = cross_entropy(tf.constant(logits), labels, image_weights=tf.constant(weights))
        for image, weight in enumerate(weights):
            np.testing.assert_allclose(found[image], weight * alike[image], rtol=1e-6)

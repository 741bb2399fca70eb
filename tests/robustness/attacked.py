"""Small networks and images to attack."""

from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.robustness.attacks import Budget

CLASSES = 4
SIZE = {"feedforward": (32, 40), "tnet": (40, 96)}
PUBLISHED = Budget(epsilon=4, step=1, random_start=False, clip=False)
STANDARDISED = PUBLISHED._replace(units="standardised")
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def fresh(networks, kind):
    """The attacker of a kind, as it was made."""
    _, attacker = networks[kind]
    attacker.budget, attacker.seed = PUBLISHED, 0
    return attacker


def examples(attacker, count=4, seed=0):
    """Images, a quarter of whose pixels are black or white, and labels."""
    random = np.random.default_rng(seed)
    images = random.uniform(-1.3, 1.3, (count, *attacker.image_shape)).clip(-1, 1)
    return images.astype(np.float32), random.integers(attacker.classes, size=count)


def logits(attacker, images):
    return attacker._predict((images + 1) / 2).numpy()


def margin(attacker, images, labels):
    scores = logits(attacker, images)
    true = scores[np.arange(len(labels)), labels].copy()
    scores[np.arange(len(labels)), labels] = -np.inf
    return true - scores.max(axis=1)


class Brightest(keras.Model):
    """Tells the brightest channel from whole numbers, which have no gradient."""

    def __init__(self):
        super().__init__()
        self.seen = tf.Variable(0)

    def call(self, images, locations=None, training=False):
        self.seen.assign_add(tf.shape(images)[0])
        return SimpleNamespace(logits=tf.reduce_mean(tf.round(images * 127.5), axis=(1, 2)))

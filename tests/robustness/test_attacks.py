import importlib.metadata
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.robustness.attacked import (
    CLASSES,
    PUBLISHED,
    SIZE,
    Brightest,
    examples,
    fresh,
    logits,
    margin,
)
from tnet_tf.errors import UserError
from tnet_tf.robustness import attacks
from tnet_tf.robustness.attacks import ATTACKS, Attacker, check_installed


def true_probability(attacker, images, labels):
    return tf.nn.softmax(logits(attacker, images)).numpy()[np.arange(len(labels)), labels]


@pytest.mark.parametrize("kind", SIZE)
def test_more_steps_and_more_squares_do_more_harm(networks, kind):
    attacker = fresh(networks, kind)
    images, _ = examples(attacker, count=8)
    labels = logits(attacker, images).argmax(axis=1)
    clean = true_probability(attacker, images, labels).mean()
    attacked = [
        true_probability(attacker, attacker.perturb("pgd", images, labels, steps), labels).mean()
        for steps in (0, 1, 2, 8)
    ]
    assert attacked[0] == clean
    assert attacked[3] < attacked[2] < attacked[1] < clean
    squares = [
        margin(attacker, attacker.perturb("square", images, labels, strength), labels).mean()
        for strength in (1, 60)
    ]
    assert squares[1] < squares[0] < margin(attacker, images, labels).mean()


def test_remembered_predictions_are_those_of_their_images():
    asked = []

    def predict(images):
        asked.extend(images[:, 0].tolist())
        return tf.constant(images * 10)

    remembering = attacks._Remembering(predict)
    for values in ([1, 2, 2], [2, 3], [3], [4], [1, 3]):
        images = np.array(values, np.float32)[:, np.newaxis]
        np.testing.assert_array_equal(remembering(images), images * 10)
    # Those of more than three calls ago are forgotten.
    assert asked in ([1, 2, 2, 3, 4, 1], [1, 2, 3, 4, 1])


@pytest.mark.parametrize("attack", ["pgd", "square"])
def test_randomness_is_a_function_of_seed_and_place(attacker, attack):
    attacker.budget = PUBLISHED._replace(random_start=True)
    images, _ = examples(attacker)
    labels = logits(attacker, images).argmax(axis=1)
    np.random.seed(3)
    expected = attacker.perturb(attack, images, labels, 2, first=8)
    drawn = np.random.uniform()
    np.random.seed(3)
    assert drawn == np.random.uniform(), "the global state has moved"
    again = attacker.perturb(attack, images, labels, 2, first=8)
    np.testing.assert_array_equal(again, expected)
    assert np.any(attacker.perturb(attack, images, labels, 2, first=4) != expected)
    attacker.seed = 1
    assert np.any(attacker.perturb(attack, images, labels, 2, first=8) != expected)


def test_a_failed_attack_leaves_the_global_state_too(attacker):
    images, labels = examples(attacker)
    before = np.random.get_state()[1].copy()
    with pytest.raises(ValueError, match="max_iter"):
        attacker.perturb("square", images, labels, strength=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_images_are_left_alone_and_nothing_is_printed(attacker, capsys):
    images, labels = examples(attacker)
    before = images.copy()
    for attack in ATTACKS:
        attacker.perturb(attack, images, labels, 2)
    np.testing.assert_array_equal(images, before)
    assert capsys.readouterr() == ("", "")


class Diverged(keras.Model):
    """Some of its predictions are no numbers any more."""

    def call(self, images, locations=None, training=False):
        means = tf.reduce_mean(images, axis=(1, 2))
        return SimpleNamespace(logits=tf.where(means[:, :1] > 0, means, means * np.nan))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_diverged_network_makes_no_pixel_nan(attack):
    attacker = Attacker(Diverged(), (6, 6), PUBLISHED)
    images = np.stack([np.full(attacker.image_shape, value, np.float32) for value in (0.5, -0.5)])
    perturbed = attacker.perturb(attack, images, np.array([0, 1]), 2)
    assert np.isfinite(perturbed).all()
    np.testing.assert_array_equal(perturbed[1], images[1])


def test_the_last_batch_needs_no_compilation_of_its_own(attacker):
    images, labels = examples(attacker)
    attacker.perturb("pgd", images, labels, 2)
    attacker.perturb("pgd", images[:1], labels[:1], 2)
    assert attacker._predict.experimental_get_tracing_count() == 1
    assert attacker._gradient.experimental_get_tracing_count() == 1


def test_locations_are_those_asked_for(networks):
    model, _ = networks["tnet"]
    attacker = Attacker(model, SIZE["tnet"], PUBLISHED, locations=(1,))
    images, _ = examples(attacker)
    expected = model(images, locations=(1,)).logits
    np.testing.assert_allclose(logits(attacker, images), expected, atol=1e-5)


def test_an_unknown_attack_is_told_with_those_there_are(attacker):
    images, labels = examples(attacker)
    with pytest.raises(UserError, match=r"^--attack=cw is unknown; there are fgsm, pgd, square$"):
        attacker.perturb("cw", images, labels, 1)


def test_other_images_and_labels_are_refused(attacker):
    images, labels = examples(attacker)
    height, width, _ = attacker.image_shape

    def refused(message, images, labels):
        with pytest.raises(ValueError, match=message):
            attacker.perturb("pgd", images, labels, 1)

    wanted = rf"images must be float32 of \(n, {height}, {width}, 3\), not "
    refused(wanted + "uint8", np.zeros(images.shape, np.uint8), labels)
    refused(wanted + "float64", images.astype(np.float64), labels)
    refused(wanted + r"float32 of \(4, 3", images[:, 1:], labels)
    refused("labels must be 4 integers", images, labels[:3])
    refused("labels must be 4 integers", images, labels.astype(np.float32))
    refused("labels must be 4 integers", images, np.eye(4, dtype=int))
    refused("labels must be below 4", images, labels + CLASSES)
    refused("labels must be below 4", images, labels - CLASSES)


def test_a_missing_library_is_told_with_its_cure(monkeypatch):
    check_installed()

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    cure = (
        r"^--attack needs packages that are not installed; run: pip install -e '.\[robustness\]'$"
    )
    with pytest.raises(UserError, match=cure):
        check_installed()
    with pytest.raises(UserError, match=cure):
        Attacker(Brightest(), (12, 40), PUBLISHED)

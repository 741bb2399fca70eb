import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.robustness.attacked import CLASSES, DEVIATION, PUBLISHED, SIZE, examples, fresh
from tnet_tf.robustness.attacks import Budget

MEAN = np.array([0.485, 0.456, 0.406], np.float32)


def gradient(model, pixels, labels):
    with tf.GradientTape() as tape:
        tape.watch(pixels := tf.constant(pixels))
        found = model(2 * pixels - 1).logits
        loss = keras.losses.sparse_categorical_crossentropy(labels, found, from_logits=True)
    return tape.gradient(loss, pixels).numpy()


def textbook_pgd(model, images, labels, budget, steps):
    """Eq. 9 and 10, and the least gradient that each pixel had, as a share of the greatest."""
    start = pixels = (images + 1) / 2
    least = np.full(images.shape, np.inf)
    for _ in range(steps):
        slope = gradient(model, pixels, labels)
        least = np.minimum(least, np.abs(slope) / np.abs(slope).max())
        moved = pixels + budget.step / 255 * np.sign(slope)
        pixels = start + np.clip(moved - start, -budget.epsilon / 255, budget.epsilon / 255)
        pixels = np.clip(pixels, 0, 1) if budget.clip else pixels
    return 2 * pixels - 1, least


@pytest.mark.parametrize("kind", SIZE)
def test_pgd_is_that_of_the_paper(networks, kind):
    model, attacker = networks[kind]
    images, labels = examples(attacker)
    for steps, clip in ((1, True), (5, True), (5, False)):
        attacker.budget = PUBLISHED._replace(clip=clip, epsilon=3.5)
        perturbed = attacker.perturb("pgd", images, labels, steps)
        expected, least = textbook_pgd(model, images, labels, attacker.budget, steps)
        # Rounding decides the sign of gradients that are about zero.
        clear = least > 1e-3
        assert np.mean(clear) > 0.2
        np.testing.assert_allclose(perturbed[clear], expected[clear], atol=1e-6)
        assert (np.abs(perturbed).max() > 1) != clip


def published_pgd(model, images, labels, steps):
    """As on the tensor that the published code attacks, and how clear each pixel's signs were."""
    start = standardised = ((images + 1) / 2 - MEAN) / DEVIATION
    least = np.full(images.shape, np.inf)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            tape.watch(standardised := tf.constant(standardised))
            scores = model(2 * (standardised * DEVIATION + MEAN) - 1).logits
            loss = keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True)
        slope = tape.gradient(loss, standardised).numpy()
        least = np.minimum(least, np.abs(slope) / np.abs(slope).max())
        changed = standardised.numpy() + np.sign(slope) / 255 - start
        standardised = start + np.clip(changed, -4 / 255, 4 / 255)
    return 2 * (standardised * DEVIATION + MEAN) - 1, least


@pytest.mark.parametrize("kind", SIZE)
def test_pgd_of_standardised_images_is_the_published_one(networks, kind):
    model, attacker = networks[kind][0], fresh(networks, kind)
    attacker.budget = PUBLISHED._replace(units="standardised")
    images, labels = examples(attacker)
    for steps in (1, 6):
        perturbed = attacker.perturb("pgd", images, labels, steps)
        expected, least = published_pgd(model, images, labels, steps)
        clear = least > 1e-3
        assert np.mean(clear) > 0.2
        same = np.isclose(perturbed[clear], expected[clear], rtol=0, atol=2e-6)
        # What rounding decides elsewhere moves the gradients of later steps a little.
        assert np.mean(same) > (1 - 1e-9 if steps == 1 else 0.999)


@pytest.mark.parametrize("kind", SIZE)
def test_fgsm_is_one_step_of_epsilon(networks, kind):
    model, attacker = networks[kind]
    images, labels = examples(attacker)
    slope = gradient(model, (images + 1) / 2, labels)
    clear = np.abs(slope) > 1e-3 * np.abs(slope).max()
    assert np.mean(clear) > 0.2
    for clip in (False, True):
        attacker.budget = Budget(epsilon=6, step=0.5, random_start=True, clip=clip)
        perturbed = attacker.perturb("fgsm", images, labels, strength=9)
        expected = images + 2 * 6 / 255 * np.sign(slope)
        expected = np.clip(expected, -1, 1) if clip else expected
        np.testing.assert_allclose(perturbed[clear], expected[clear], atol=1e-6)


def test_pixels_that_the_network_does_not_read_stay_as_they_are(networks):
    """Hard attention reads the thumbnail's and the attended cells' pixels alone."""
    attacker = fresh(networks, "tnet")
    images, labels = examples(attacker)
    unread = attacker._gradient((images + 1) / 2, np.eye(CLASSES, dtype="f")[labels]).numpy() == 0
    assert 0.01 < unread.mean() < 0.9
    for attack in ("fgsm", "pgd"):
        perturbed = attacker.perturb(attack, images, labels, strength=1)
        np.testing.assert_array_equal(perturbed[unread], images[unread])
        assert np.all(perturbed[~unread] != images[~unread])


def test_without_a_random_start_pgd_knows_no_seed(attacker):
    images, labels = examples(attacker)
    expected = attacker.perturb("pgd", images, labels, 2)
    attacker.seed = 1
    np.testing.assert_array_equal(attacker.perturb("pgd", images, labels, 2, first=4), expected)

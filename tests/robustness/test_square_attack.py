import numpy as np

from tests.robustness.attacked import PUBLISHED, Brightest, examples, margin
from tnet_tf.robustness.attacks import Attacker


def bright(attacker, lead):
    """Images whose brightest channel leads by about `lead` 255ths."""
    images, _ = examples(attacker, count=9)
    labels = np.arange(9) % 3
    images[np.arange(9), :, :, labels] += 2 * lead / 255
    return (images / 1.5).astype(np.float32), labels


def test_square_needs_no_gradient():
    attacker = Attacker(Brightest(), (12, 40), PUBLISHED)
    images, labels = bright(attacker, lead=30)
    for attack in ("fgsm", "pgd"):
        np.testing.assert_array_equal(attacker.perturb(attack, images, labels, 3), images)
    before = margin(attacker, images, labels)
    assert before.min() > 0
    after = margin(attacker, attacker.perturb("square", images, labels, 200), labels)
    assert np.all(after < before - 1)


def test_square_leaves_mistakes_as_they_are():
    attacker = Attacker(Brightest(), (12, 40), PUBLISHED)
    images, labels = bright(attacker, lead=5)
    before = margin(attacker, images, labels)
    assert before.min() < 0 < before.max()
    perturbed = attacker.perturb("square", images, labels, 200)
    np.testing.assert_array_equal(perturbed[before < 0], images[before < 0])
    assert np.all((margin(attacker, perturbed, labels) < before)[before > 0])


def test_square_runs_every_image_that_it_tries_once():
    model = Brightest()
    attacker = Attacker(model, (12, 40), PUBLISHED)
    images, labels = bright(attacker, lead=30)
    model.seen.assign(0)
    attacker.perturb("square", images, labels, strength=20)
    assert len(images) < model.seen.numpy() <= len(images) * (1 + 1 + 20)

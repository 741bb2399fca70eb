import numpy as np
import pytest

from tests.robustness.attacked import (
    DEVIATION,
    PUBLISHED,
    SIZE,
    STANDARDISED,
    examples,
    fresh,
    logits,
)
from tnet_tf.errors import UserError
from tnet_tf.robustness.attacks import ATTACKS, Budget

# What 255ths of the two units are in those of the range of pixels.
SCALES = {"pixels": np.ones(3), "standardised": DEVIATION}
# Rounding of pixels in [0, 1], which are moved to [-1, 1] and back.
ROUNDING = 3e-7


def change(perturbed, images):
    """In 255ths of the pixel range, as float64."""
    return (perturbed.astype(np.float64) - images) / 2 * 255


@pytest.mark.parametrize("kind", SIZE)
def test_no_attack_leaves_its_budget(networks, kind):
    attacker, random = fresh(networks, kind), np.random.default_rng(7)
    for case in range(15):
        images, labels = examples(attacker, count=random.integers(1, 5), seed=case)
        epsilon, step = 10 ** random.uniform(-1, 2), 10 ** random.uniform(-1, 2)
        units = ("pixels", "standardised")[case % 3 % 2]
        attacker.budget = Budget(epsilon, step, case % 2 == 0, random.random() < 0.5, units)
        for attack in ATTACKS:
            strength = int(random.integers(1, 5))
            perturbed = attacker.perturb(attack, images, labels, strength, first=case)
            assert perturbed.dtype == np.float32
            most = np.abs(change(perturbed, images)).max(axis=(0, 1, 2))
            assert np.all(most <= epsilon * SCALES[units] + 255 * ROUNDING)
            if attacker.budget.clip or attack == "square":
                assert np.abs(perturbed).max() <= 1


@pytest.mark.parametrize("units", SCALES)
def test_budgets_are_used_up_in_every_channel(attacker, units):
    attacker.budget = PUBLISHED._replace(units=units)
    images, _ = examples(attacker)
    images /= 1.2  # Far enough from black and white for Square, which keeps within them.
    labels = logits(attacker, images).argmax(axis=1)
    for attack, strength, used in (("fgsm", 1, 4), ("pgd", 2, 2), ("pgd", 6, 4), ("square", 9, 4)):
        perturbed = attacker.perturb(attack, images, labels, strength)
        most = np.abs(change(perturbed, images)).max(axis=(0, 1, 2))
        np.testing.assert_allclose(most, used * SCALES[units], atol=255 * ROUNDING)


@pytest.mark.parametrize("attack", ATTACKS)
def test_clipped_standardised_images_reach_black_and_white_and_stay_there(attacker, attack):
    attacker.budget = STANDARDISED._replace(clip=True, epsilon=255)
    images, _ = examples(attacker)
    perturbed = attacker.perturb(attack, images, logits(attacker, images).argmax(axis=1), 9)
    assert np.abs(perturbed).max() <= 1
    for channel in np.moveaxis(perturbed, -1, 0):
        assert (channel.min(), channel.max()) == (-1, 1)


def test_an_unknown_unit_is_refused(attacker):
    attacker.budget = PUBLISHED._replace(units="inches")
    known = r"^--attack_units=inches is unknown; there are pixels, standardised$"
    with pytest.raises(UserError, match=known):
        attacker.perturb("fgsm", *examples(attacker), 1)


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_budget_images_stay_as_they_are(attacker, attack):
    images, labels = examples(attacker)
    attacker.budget = PUBLISHED._replace(epsilon=0, random_start=True)
    np.testing.assert_array_equal(attacker.perturb(attack, images, labels, 3), images)
    nothing = attacker.perturb(attack, images[:0], labels[:0], 3)
    assert nothing.shape == (0, *attacker.image_shape)

import importlib.metadata
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build
from tnet_tf.errors import UserError
from tnet_tf.robustness import attacks
from tnet_tf.robustness.attacks import ATTACKS, Attacker, Budget, check_installed

CLASSES = 4
SIZE = {"feedforward": (32, 40), "tnet": (40, 96)}
PUBLISHED = Budget(epsilon=4, step=1, random_start=False, clip=False)
STANDARDISED = PUBLISHED._replace(units="standardised")
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# What 255ths of the two units are in those of the range of pixels.
SCALES = {"pixels": np.ones(3), "standardised": DEVIATION}
# Rounding of pixels in [0, 1], which are moved to [-1, 1] and back.
ROUNDING = 3e-7


@pytest.fixture(scope="module")
def networks():
    """Networks and their attackers by kind, compiled once for all tests."""

    def make(kind):
        keras.utils.set_random_seed(1)
        model = build(model=kind, classes=CLASSES)
        return model, Attacker(model, SIZE[kind], PUBLISHED)

    return {kind: make(kind) for kind in SIZE}


def fresh(networks, kind):
    """The attacker of a kind, as it was made."""
    _, attacker = networks[kind]
    attacker.budget, attacker.seed = PUBLISHED, 0
    return attacker


@pytest.fixture
def attacker(networks):
    return fresh(networks, "feedforward")


def examples(attacker, count=4, seed=0):
    """Images, a quarter of whose pixels are black or white, and labels."""
    random = np.random.default_rng(seed)
    images = random.uniform(-1.3, 1.3, (count, *attacker.image_shape)).clip(-1, 1)
    return images.astype(np.float32), random.integers(attacker.classes, size=count)


def change(perturbed, images):
    """In 255ths of the pixel range, as float64."""
    return (perturbed.astype(np.float64) - images) / 2 * 255


def logits(attacker, images):
    return attacker._predict((images + 1) / 2).numpy()


def true_probability(attacker, images, labels):
    return tf.nn.softmax(logits(attacker, images)).numpy()[np.arange(len(labels)), labels]


def margin(attacker, images, labels):
    scores = logits(attacker, images)
    true = scores[np.arange(len(labels)), labels].copy()
    scores[np.arange(len(labels)), labels] = -np.inf
    return true - scores.max(axis=1)


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
    attacker.budget = STANDARDISED
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


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_budget_images_stay_as_they_are(attacker, attack):
    images, labels = examples(attacker)
    attacker.budget = PUBLISHED._replace(epsilon=0, random_start=True)
    np.testing.assert_array_equal(attacker.perturb(attack, images, labels, 3), images)
    nothing = attacker.perturb(attack, images[:0], labels[:0], 3)
    assert nothing.shape == (0, *attacker.image_shape)


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


class Brightest(keras.Model):
    """Tells the brightest channel from whole numbers, which have no gradient."""

    def __init__(self):
        super().__init__()
        self.seen = tf.Variable(0)

    def call(self, images, locations=None, training=False):
        self.seen.assign_add(tf.shape(images)[0])
        return SimpleNamespace(logits=tf.reduce_mean(tf.round(images * 127.5), axis=(1, 2)))


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


def test_without_a_random_start_pgd_knows_no_seed(attacker):
    images, labels = examples(attacker)
    expected = attacker.perturb("pgd", images, labels, 2)
    attacker.seed = 1
    np.testing.assert_array_equal(attacker.perturb("pgd", images, labels, 2, first=4), expected)


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

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, TINY_MGNET, build
from tnet_tf.batch import Batch
from tnet_tf.config import RobustnessConfig
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.loop import Evaluation
from tnet_tf.layers.pixels import to_uint8
from tnet_tf.robustness import trials as all_trials
from tnet_tf.robustness.corruptions import corrupt
from tnet_tf.robustness.ledger import Ledger
from tnet_tf.robustness.trials import Robustness, Trial, trials

CONFIG = RobustnessConfig(
    corruptions=("gaussian_noise", "fog"),
    severities=(1, 5),
    attack=("fgsm", "pgd", "square"),
    attack_steps=(2,),
    attack_queries=(3,),
    attack_epsilon=8,
)


def batches(count=3, size=4, masked=1):
    """Batches of noise; the last one is filled up with rows that are no images."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        mask = np.ones(size, np.float32)
        if number == count - 1:
            mask[size - masked :] = 0
        images = rng.uniform(-1, 1, (size, 40, 40, 3)).astype(np.float32)
        labels = rng.integers(0, 4, size).astype(np.int32)
        found.append(Batch(*map(tf.constant, (images, labels, np.zeros((size, 4)), mask))))
    return found


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.jsonl", {})


def measured(model, ledger, config=CONFIG, data=None, locations=(2,)):
    return Robustness(model, config, locations, ledger).run(data or batches())


def test_trials_are_images_as_they_are_then_corruptions_then_attacks():
    assert trials(CONFIG) == [
        Trial("clean"),
        Trial("gaussian_noise", 1),
        Trial("gaussian_noise", 5),
        Trial("fog", 1),
        Trial("fog", 5),
        Trial("fgsm", 1),
        Trial("pgd", 2),
        Trial("square", 3),
    ]


def test_all_corruptions_at_all_severities_are_75():
    assert len(trials(RobustnessConfig(corruptions=("all",)))) == 1 + 75


@pytest.mark.parametrize(
    ("config", "locations"),
    [(TINY, (2,)), (TINY_MGNET, (2,)), ({"model": "feedforward"}, ())],
    ids=["tnet", "mgnet", "feedforward"],
)
def test_every_network_is_measured_under_every_trial(config, locations, ledger):
    model = build(**config) if isinstance(config, dict) else build(config)
    found = measured(model, ledger, locations=locations)
    assert [(row["name"], row["strength"]) for row in found] == [tuple(t) for t in trials(CONFIG)]
    count = sum(locations)
    for row in found:
        assert row["images"] == 11
        assert row["top1_by_locations"].counts == range(count + 1)
        assert row["clean_top1_by_locations"] == found[0]["top1_by_locations"]
    overlaps = [row.get("gaze_overlap_by_locations") for row in found[1:]]
    expected = range(1, count + 1) if count else None
    assert all((row and row.counts) == expected for row in overlaps)


def test_a_corruption_is_measured_as_evaluation_on_the_corrupted_images_would(ledger):
    model = build(TINY_MGNET)
    found = measured(model, ledger)[2]
    changed, first = [], 0
    for batch in batches():
        pixels = corrupt(to_uint8(batch.images), "gaussian_noise", 5, 0, first)
        changed.append(batch._replace(images=tf.constant(pixels / np.float32(127.5) - 1)))
        first += 4
    expected = Evaluation(model).run(changed, [Accuracy()])
    assert found["top1_by_locations"] == expected["top1_by_locations"]


def test_attacks_can_be_limited_to_the_first_images(ledger):
    config = CONFIG.__class__(attack=("fgsm",), attack_images=5)
    model = build(TINY_MGNET)
    clean, attacked = measured(model, ledger, config)
    assert (clean["images"], attacked["images"]) == (11, 8)
    same = Evaluation(model).run(batches()[:2], [Accuracy()])
    assert attacked["clean_top1_by_locations"] == same["top1_by_locations"]


class InterruptedReadError(Exception):
    pass


def interrupted_after(count, data):
    """Batches as read for all trials together, of which no more than `count` are given."""
    left = [count]

    class Stopping:
        def __iter__(self):
            for batch in data:
                if not left[0]:
                    raise InterruptedReadError
                left[0] -= 1
                yield batch

    return Stopping()


def test_an_interrupted_measurement_goes_on_and_ends_as_an_undisturbed_one(ledger, tmp_path):
    model = build(TINY_MGNET)
    undisturbed = measured(model, Ledger(tmp_path / "other.jsonl", {}))
    with pytest.raises(InterruptedReadError):
        measured(model, ledger, data=interrupted_after(17, batches()))
    done = dict(ledger.entries)
    assert len(done) == 17 - 3  # All but those of the images as they are.
    again = Ledger(ledger.path, {})
    assert again.entries == done
    assert measured(model, again) == undisturbed
    # What was there was not measured again, else it would stand there twice.
    keys = [json.loads(line)[0] for line in ledger.path.read_text().splitlines()[1:]]
    assert len(keys) == len(set(keys)) == 3 * 7


def test_progress_is_shown_out_of_all_batches(ledger, capsys):
    config = RobustnessConfig(
        corruptions=("fog",), severities=(1, 2), attack=("fgsm",), attack_images=4
    )
    measured(build(TINY_MGNET), ledger, config)
    # 3 batches as they are, 3 for each severity, 1 attacked.
    assert "10/10" in capsys.readouterr().err


def test_other_weights_have_another_fingerprint():
    model = build(TINY_MGNET)
    before = all_trials.fingerprint(model)
    assert all_trials.fingerprint(model) == before
    model.weights[-1].assign_add(tf.ones_like(model.weights[-1]))
    assert all_trials.fingerprint(model) != before


def test_attacks_of_another_budget_are_measured_beside_what_is_there(ledger):
    model = build(TINY_MGNET)
    measured(model, ledger)
    before = dict(ledger.entries)
    measured(model, ledger, dataclasses.replace(CONFIG, attack_epsilon=4.0, attack_images=4))
    assert {key: ledger.entries[key] for key in before} == before
    added = [key for key in ledger.entries if key not in before]
    # One batch for each of the three attacks; corruptions know no budget.
    assert [key.split()[0] for key in added] == ["fgsm", "pgd", "square"]


def test_results_of_before_there_were_units_are_of_pixels(ledger):
    """Their keys name none; those of other units are measured beside them."""
    model = build(TINY_MGNET)
    config = RobustnessConfig(attack=("fgsm",), attack_images=4)
    (_, expected), (key,) = measured(model, ledger, config), ledger.entries
    assert key == (
        'fgsm 1 batch 0 {"epsilon": 4.0, "step": 1.0, "random_start": false, "clip": false}'
    )
    assert measured(model, Ledger(ledger.path, {}), config)[1] == expected
    other = dataclasses.replace(config, attack_units="standardised")
    measured(model, ledger, other)
    assert len(ledger.entries) == 2
    images = all_trials.budget(other)
    assert (images.units, images.epsilon) == ("standardised", 4)

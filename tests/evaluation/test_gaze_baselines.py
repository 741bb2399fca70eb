import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, TINY_MGNET, build
from tnet_tf.batch import Batch
from tnet_tf.evaluation import gaze_baselines
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.models.gazes import CentralGaze, RandomGaze

GAZES = {"random": RandomGaze, "central": CentralGaze}


@pytest.fixture(scope="module")
def batches():
    """Five images in batches of four; the other three rows are padding."""
    images = tf.random.stateless_uniform((8, 32, 32, 3), (1, 2), -1, 1)
    boxes = tf.tile([[0.4, 0.4, 0.6, 0.6]], (8, 1))
    mask = tf.constant([1.0] * 5 + [0.0] * 3)
    everything = Batch(images, tf.range(8) % 4, boxes, mask)
    return tf.data.Dataset.from_tensor_slices(everything).batch(4)


@pytest.mark.parametrize(
    ("config", "locations", "numbers"), [(TINY, (2, 1), [4, 1]), (TINY_MGNET, (2,), [])]
)
def test_measures_the_same_network_looking_elsewhere(batches, config, locations, numbers):
    model = build(config)
    images = tf.concat([batch.images for batch in batches], axis=0)[:5]
    results, outputs = gaze_baselines.measure(model, batches, locations, numbers)
    assert list(results) == list(GAZES)
    assert list(outputs) == (list(GAZES) if numbers else [])
    for name, gaze in GAZES.items():
        expected = model(images, locations=locations, gaze=gaze(tf.range(5)))
        hits = np.argmax(expected.logits_by_count, axis=-1) == np.array([[0, 1, 2, 3, 0]]).T
        assert results[name]["images"] == 5
        assert results[name]["top1_by_locations"].values == pytest.approx(hits.mean(axis=0))
        assert 0 <= results[name]["hit_rate"] <= 1
        for field in ("boxes", "logits") if numbers else ():
            kept, wanted = getattr(outputs[name], field), getattr(expected, field).numpy()[numbers]
            np.testing.assert_allclose(kept, wanted, atol=1e-5)
    # The middle of the image, where every box is, is where the central gaze looks first.
    assert results["central"]["hit_rate_by_locations"].at(1) == 1.0


def test_the_table_has_the_three_gazes_beside_each_other():
    def found(start):
        curves = {
            "top1_by_locations": Curve(0, (0.1, start, start + 0.01)),
            "top1_attended_only_by_locations": Curve(1, (start + 0.02, start + 0.03)),
            "hit_rate_by_locations": Curve(1, (start + 0.04, start + 0.05)),
        }
        return Results(curves)

    report = found(0.8) | {"gaze_baselines": {"random": found(0.3), "central": found(0.4)}}
    _, heading, _, *rows = gaze_baselines.to_text(report).splitlines()
    for name in ("locations", "gaze", "top-1 %", "top-1 % attended only", "hit rate %"):
        assert name in heading
    assert [row.split() for row in rows] == [
        ["1", "learned", "80.00", "82.00", "84.00"],
        ["1", "random", "30.00", "32.00", "34.00"],
        ["1", "central", "40.00", "42.00", "44.00"],
        ["2", "learned", "81.00", "83.00", "85.00"],
        ["2", "random", "31.00", "33.00", "35.00"],
        ["2", "central", "41.00", "43.00", "45.00"],
    ]

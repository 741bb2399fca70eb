import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build
from tnet_tf.batch import Batch
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.loop import Evaluation
from tnet_tf.models.gazes import CentralGaze, RandomGaze


class Recorder:
    """Keeps everything it is handed."""

    def __init__(self):
        self.seen = []

    def update(self, outputs, batch):
        self.seen.append((outputs, batch))

    def results(self):
        yield "batches", len(self.seen)


@pytest.fixture
def images():
    return tf.random.uniform((8, 48, 40, 3), -1, 1)


@pytest.fixture
def batches(images):
    """Five images in batches of four; the other three rows are padding."""
    mask = tf.constant([1.0] * 5 + [0.0] * 3)
    boxes = tf.random.uniform((8, 4))
    everything = Batch(images, tf.range(8) % 4, boxes, mask)
    return tf.data.Dataset.from_tensor_slices(everything).batch(4)


def test_padding_reaches_no_evaluator(images, batches):
    model, recorder = build(), Recorder()
    Evaluation(model).run(batches, [recorder], locations=(2, 1))
    assert [batch.labels.tolist() for _, batch in recorder.seen] == [[0, 1, 2, 3], [0]]
    expected = model(images[4:5], locations=(2, 1))
    outputs, batch = recorder.seen[1]
    np.testing.assert_array_equal(batch.images, images[4:5])
    for name, value in expected._asdict().items():
        if name == "location_probs":
            # One grid at level 1, two at level 2.
            assert [grids.shape for grids in outputs.location_probs] == [(1, 1, 9), (1, 2, 9)]
            for actual, wanted in zip(outputs.location_probs, value, strict=True):
                np.testing.assert_allclose(actual, wanted, atol=1e-5)
        else:
            np.testing.assert_allclose(getattr(outputs, name), value, atol=1e-5, err_msg=name)


def test_evaluators_get_numpy_arrays(batches):
    recorder = Recorder()
    Evaluation(build()).run(batches, [recorder])
    outputs, batch = recorder.seen[0]
    arrays = [*batch, *outputs._replace(location_probs=()), *outputs.location_probs]
    assert {type(array) for array in arrays if not isinstance(array, tuple)} == {np.ndarray}


def test_results_of_all_evaluators_come_together(batches):
    results = Evaluation(build()).run(batches, [Recorder(), Accuracy()])
    assert results["batches"] == 2
    assert results["images"] == 5
    assert results["top1_by_locations"].counts == range(3)


def test_the_number_of_locations_is_a_choice_of_each_run(batches):
    evaluation = Evaluation(build())
    for locations, count in (((4,), 4), ((2, 3), 8), ((), 0)):
        results = evaluation.run(batches, [Accuracy()], locations)
        assert results["top1_by_locations"].counts == range(count + 1)


def test_the_network_is_traced_once_for_all_batches_and_runs(batches):
    model, traces = build(), []

    def counted(*arguments, **settings):
        traces.append(1)
        return model(*arguments, **settings)

    evaluation = Evaluation(counted)
    for _ in range(3):
        evaluation.run(batches, [Accuracy()])
    assert len(traces) == 1


def test_a_later_run_uses_the_weights_of_its_time(batches):
    model = build()
    evaluation = Evaluation(model)
    evaluation.run(batches, [Accuracy()])
    kernel, bias = model.classification.linear.weights
    kernel.assign(tf.zeros_like(kernel))
    bias.assign([0.0, 1.0, 0.0, 0.0])
    # Everything is class 1 now, as is one of the five images.
    assert evaluation.run(batches, [Accuracy()])["top1_by_locations"].values == (0.2, 0.2, 0.2)


def test_a_gaze_knows_the_numbers_of_the_images_in_the_split(batches):
    recorder, numbers = Recorder(), []

    def gaze(of_batch):
        numbers.append(of_batch)
        return CentralGaze(of_batch)

    Evaluation(build(), gaze).run(batches, [recorder], locations=(1,))
    assert [outputs.cells.tolist() for outputs, _ in recorder.seen] == [[[4]] * 4, [[4]]]
    # Traced once, for numbers of any batch.
    assert [part.shape for part in numbers] == [(4,)]
    random = [Recorder(), Recorder()]
    for each, size in zip(random, (4, 8), strict=True):
        evaluation = Evaluation(build(), RandomGaze)
        evaluation.run(batches.unbatch().batch(size), [each], locations=(2,))
    first, second = (np.concatenate([outputs.cells for outputs, _ in each.seen]) for each in random)
    np.testing.assert_array_equal(first, second)


def test_shows_progress_only_when_asked(batches, capsys):
    evaluation = Evaluation(build())
    evaluation.run(batches, [Accuracy()])
    assert capsys.readouterr().err == ""
    evaluation.run(batches, [Accuracy()], progress=True, description="central gaze")
    shown = capsys.readouterr().err
    assert "central gaze" in shown
    assert "2/2" in shown
    assert "batch" in shown

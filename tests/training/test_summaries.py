import tensorflow as tf
from tensorflow.core.util import event_pb2

from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.training.summaries import Summaries


def shown(folder):
    """What TensorBoard would show: numbers by tag, and the step."""
    (file,) = folder.glob("*.tfevents.*")
    events = [
        event_pb2.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))
    ]
    return {
        value.tag: (float(tf.make_ndarray(value.tensor)), event.step)
        for event in events
        for value in event.summary.value
    }


def test_curves_are_shown_by_the_number_of_locations_and_numbers_as_they_are(tmp_path):
    summaries = Summaries(tmp_path)
    values = {
        "images": 9,
        "top1_by_locations": Curve(0, (0.25, 0.5)),
        "top1_attended_only_by_locations": Curve(1, (0.75,)),
    }
    summaries.scalars("validation", Results(values), step=7)
    summaries.writer.close()
    assert shown(tmp_path) == {
        "validation/images": (9, 7),
        "validation/top1/0": (0.25, 7),
        "validation/top1/1": (0.5, 7),
        "validation/top1_attended_only/1": (0.75, 7),
    }

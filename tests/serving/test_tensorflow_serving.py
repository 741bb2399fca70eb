"""What TensorFlow Serving asks of a SavedModel, with the protos of its requests and responses.

Its rules are in tensorflow/serving: `MakeRowFormatJsonFromTensors` of
tensorflow_serving/util/json_tensor.cc, and `SplitOutputTensors` of
tensorflow_serving/batching/batching_session.cc.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from tests.networks import TINY, TINY_MGNET, build
from tests.serving.networks import pixels
from tnet_tf.serving import saved_model

FORMS = {
    "tnet": (TINY, saved_model.write),
    "tnet for processors": (TINY, saved_model.write_for_cpu),
    "mgnet": (TINY_MGNET, saved_model.write),
}


class Server:
    """Answers requests as Serving does: by the signature's tensors, in a session."""

    def __init__(self, folder):
        with tf.Graph().as_default():
            self.session = tf.compat.v1.Session()
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        self.signatures = loaded.signature_def

    def predict(self, request):
        signature = self.signatures[request.model_spec.signature_name or "serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        assert set(request.inputs) == set(signature.inputs)
        feeds = {
            signature.inputs[name].name: tf.make_ndarray(tensor)
            for name, tensor in request.inputs.items()
        }
        fetches = {name: info.name for name, info in signature.outputs.items()}
        response = PredictResponse(model_spec=request.model_spec)
        for name, value in self.session.run(fetches, feeds).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        # Over the wire and back.
        return PredictResponse.FromString(response.SerializeToString())


def request_of(**inputs):
    request = PredictRequest()
    request.model_spec.name = "tnet"
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def request_in_rows(body):
    """The request of a JSON body in row format."""
    return request_of(images=np.array(json.loads(body)["instances"], np.uint8))


def rows_of(response):
    """The predictions of a response in row format, or the error that Serving would give."""
    arrays = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
    batch = None
    for name, array in arrays.items():
        if not array.ndim:
            raise ValueError(f"Tensor name: {name} has no shape information")
        if batch not in (None, len(array)):
            raise ValueError(f"Tensor name: {name} has inconsistent batch size: {len(array)}")
        batch = len(array)
    rows = [{name: array[row].tolist() for name, array in arrays.items()} for row in range(batch)]
    return json.loads(json.dumps({"predictions": rows}))["predictions"]


@pytest.fixture(scope="module", params=FORMS)
def served(request, tmp_path_factory):
    """A network and the server of its export."""
    folder = tmp_path_factory.mktemp("saved")
    config, write = FORMS[request.param]
    model = build(config)
    with pytest.MonkeyPatch.context() as patch:
        # In bfloat16 rounding decides between cells that are about as probable.
        patch.setattr(saved_model, "cpu_precision", lambda: "float32")
        write(model, folder)
    return model, Server(folder)


def test_a_request_in_row_format_is_answered_row_by_row(served):
    """Of more images than locations."""
    model, server = served
    images = pixels(5, 40, 48)
    expected = model(images)
    assert expected.boxes.shape[1] == 2
    rows = rows_of(server.predict(request_in_rows(json.dumps({"instances": images.tolist()}))))
    assert len(rows) == 5
    for name in rows[0].keys() - {"probabilities"}:
        found = np.array([row[name] for row in rows])
        np.testing.assert_allclose(found, getattr(expected, name), atol=2e-5, err_msg=name)
    probabilities = [row["probabilities"] for row in rows]
    np.testing.assert_allclose(probabilities, tf.nn.softmax(expected.logits), atol=2e-5)


def test_requests_in_one_batch_are_answered_as_if_each_came_alone(served):
    _, server = served
    images = pixels(5, 40, 48)
    together = server.predict(request_of(images=images)).outputs
    alone = [server.predict(request_of(images=part)).outputs for part in (images[:2], images[2:])]
    for name, tensor in together.items():
        merged = tf.make_ndarray(tensor)
        # Serving refuses to split what is not as long as all requests together.
        assert len(merged) == len(images)
        for part, own in zip(np.split(merged, [2]), alone, strict=True):
            np.testing.assert_allclose(part, tf.make_ndarray(own[name]), atol=2e-5, err_msg=name)


@pytest.mark.parametrize("signature", ["serving_default", "float_images", "with_locations"])
def test_the_first_dimension_of_all_outputs_is_open(served, signature):
    _, server = served
    described = server.signatures[signature].outputs.values()
    assert {info.tensor_shape.dim[0].size for info in described} == {-1}

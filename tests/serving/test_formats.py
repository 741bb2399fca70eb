import re

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.networks import TINY, build
from tests.serving.networks import NETWORKS, pixels, trained
from tnet_tf.config.commands import FORMS
from tnet_tf.errors import UserError
from tnet_tf.serving import formats

SIZE = (64, 80)
FIXED_SIZE = sorted(set(FORMS) - {"savedmodel", "cpu"})
# float32, bfloat16 and 8-bit integers; the logits of this network are about 1.
TOLERANCE = {"openvino": 0.02, "cpu": 0.02, "openvino_int8": 0.1}


@pytest.fixture(scope="module", params=NETWORKS)
def source(request):
    calibration = [pixels(4, *SIZE), pixels(4, *SIZE)[:, ::-1]]
    return formats.Source(trained(request.param), SIZE, calibration)


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def run(form, source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "export"
    formats.save(form, source, folder)
    return formats.load(form, folder)


@pytest.mark.parametrize("count", [3, 1, 4])
def test_every_form_serves_what_the_network_says_of_any_number_of_images(form, source, run, count):
    images = pixels(count, *SIZE)
    served, expected = run(tf.constant(images)), source.model(images)
    for name in served.keys() - {"probabilities"}:
        assert served[name].shape == getattr(expected, name).shape
    # Of the thumbnail: where two cells are about as probable, rounding decides between them.
    thumbnail, logits = served["logits_by_count"][:, 0], expected.logits_by_count[:, 0]
    np.testing.assert_allclose(thumbnail, logits, atol=TOLERANCE.get(form, 1e-5))
    np.testing.assert_allclose(served["probabilities"].sum(axis=1), 1, atol=0.01)


@pytest.mark.parametrize("form", sorted(set(FORMS) - set(TOLERANCE)), indirect=True)
def test_forms_in_float32_look_where_the_network_looks(source, run):
    images = pixels(3, *SIZE)
    served, expected = run(tf.constant(images)), source.model(images)
    np.testing.assert_allclose(served["boxes"], expected.boxes, atol=1e-6)
    np.testing.assert_allclose(served["logits"], expected.logits, atol=1e-5)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((2, 64, 80, 3), np.float32), "images are float32: an export takes uint8"),
        (np.zeros((2, 64, 80, 3), np.int32), "images are int32: they must be uint8"),
        (np.zeros((64, 80, 3), np.uint8), r"the shape \(64, 80, 3\): it must be \(n, height"),
        (np.zeros((0, 64, 80, 3), np.uint8), r"the shape \(0, 64, 80, 3\): it must be"),
    ],
)
def test_no_form_answers_what_it_does_not_take(run, images, sentence):
    with pytest.raises(UserError, match=sentence):
        run(tf.constant(images))


@pytest.mark.parametrize("form", FIXED_SIZE, indirect=True)
@pytest.mark.parametrize("size", [(32, 40), (80, 64), (128, 160)])
def test_forms_of_one_size_refuse_others(run, size):
    sentence = rf"images are {size[0]} x {size[1]} px: this export takes 64 x 80 alone"
    with pytest.raises(UserError, match=sentence):
        run(tf.constant(pixels(2, *size)))


@pytest.mark.parametrize("network", NETWORKS)
def test_litert_itself_computes_nothing_of_other_sizes(network, tmp_path):
    """Without the loader of this package, on a device for example."""
    formats.save("litert", formats.Source(trained(network), SIZE), tmp_path / "export")
    path = str(tmp_path / "export" / "model.tflite")
    for size in ((32, 40), (80, 64), (128, 160)):
        served = Interpreter(path).get_signature_runner("serving_default")
        with pytest.raises(RuntimeError, match=r"not broadcastable|out of bounds"):
            served(images=pixels(2, *size))


def test_the_forms_that_settings_name_are_those_that_can_be_written():
    assert set(formats.FORMS) == set(FORMS)


@pytest.mark.parametrize("form", ["litert", "onnx", "openvino_int8"])
def test_missing_packages_are_told_with_their_cure(form, monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda _: None)
    extra = form.removesuffix("_int8")
    with pytest.raises(UserError, match=rf"pip install '.\[{extra}\]'"):
        formats.check_installed(form)
    formats.check_installed("cpu")


def plain():
    return formats.Source(build(TINY, model="feedforward"), SIZE)


@pytest.mark.parametrize("form", ["litert", "openvino"])
def test_networks_that_attend_to_nothing_are_written_too(form, tmp_path):
    formats.save(form, plain(), tmp_path / "export")
    images = pixels(3, *SIZE)
    served = formats.load(form, tmp_path / "export")(tf.constant(images))
    expected = plain().model(images)
    assert served["logits"].shape == expected.logits.shape


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    sentence = (
        rf"^{re.escape(str(tmp_path))} holds other files; give the export a folder of its own$"
    )
    with pytest.raises(UserError, match=sentence):
        formats.save("savedmodel", plain(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_earlier_export_is_replaced(tmp_path):
    for form in ("onnx", "savedmodel"):
        formats.save(form, plain(), tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert not (tmp_path / "export" / "model.onnx").exists()


def test_what_can_not_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    folder = tmp_path / "export"
    sentence = rf"^{re.escape(str(folder))} can't be written: \[Errno 28\] No space left on device$"
    with pytest.raises(UserError, match=sentence):
        formats.save("savedmodel", plain(), folder)
    assert not list(tmp_path.iterdir())

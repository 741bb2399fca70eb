import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, build
from tests.serving.networks import NETWORKS, pixels, trained
from tnet_tf.config.commands import FORMS
from tnet_tf.errors import UserError
from tnet_tf.serving import formats

SIZE = (64, 80)
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
    with pytest.raises(UserError, match="holds other files; give a folder of its own"):
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
    with pytest.raises(UserError, match="No space left"):
        formats.save("savedmodel", plain(), tmp_path / "export")
    assert not list(tmp_path.iterdir())

import pytest
import tensorflow as tf

from tests.commands import exit_code, the_error
from tests.test_evaluate import CLASSES, change, prepared, untrained_run
from tnet_tf import export
from tnet_tf.errors import UserError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("data"), CLASSES)


@pytest.fixture
def config(data, tmp_path):
    return untrained_run(data, tmp_path)


def test_a_run_is_written_for_serving_and_compared_with_its_network(config, tmp_path, capsys):
    found = export.main(config)
    assert found.compared == 9
    assert found.logit_difference < 1e-4
    assert found.top1 == found.regions == 1
    assert "same class 100.00%, same regions 100.00%" in capsys.readouterr().out
    served = tf.saved_model.load(str(tmp_path / "run" / "export"))
    assert set(served.signatures) == {"serving_default", "float_images", "with_locations"}


def test_the_run_s_folder_is_all_it_needs(config, capsys):
    assert exit_code(export.main, f"--run_dir={config.train.run_dir}", "--check_images=9") == 0
    assert "on 9 images of folder/insects" in capsys.readouterr().out
    assert exit_code(export.main, f"--run_dir={config.train.run_dir}", "--grid=4") == 2
    assert "holds another network: --grid was 3, now 4" in the_error(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("settings", "name", "file"),
    [
        ({"optimize": "cpu"}, "export_cpu", "saved_model.pb"),
        ({"format": "onnx"}, "export_onnx", "model.onnx"),
        (
            {"format": "openvino", "quantize": True, "calibration_images": 4},
            "export_openvino_int8",
            "model.xml",
        ),
    ],
)
def test_other_forms_are_compared_with_their_network_too(config, tmp_path, settings, name, file):
    found = export.main(change(config, "export", **settings))
    assert found.compared == 9
    assert found.logit_difference < 0.1
    assert (tmp_path / "run" / name / file).is_file()


def test_it_goes_where_asked_and_needs_no_data_without_comparison(config, tmp_path):
    elsewhere = change(config, "export", export_dir=str(tmp_path / "served"), check_images=0)
    elsewhere = change(elsewhere, "data", data_dir=str(tmp_path / "nothing"))
    assert export.main(elsewhere) is None
    assert (tmp_path / "served" / "saved_model.pb").is_file()


def test_mistakes_are_found_before_anything_is_written(config, tmp_path):
    for section, changes, message in (
        ("export", {"check_images": -1}, "--check_images must not be negative"),
        ("export", {"calibration_images": 0}, "--calibration_images must be positive"),
        ("export", {"format": "onnx", "optimize": "cpu"}, "no effect on --format=onnx"),
        ("export", {"format": "onnx", "quantize": True}, "use --format=openvino"),
        ("data", {"data_dir": str(tmp_path / "nothing")}, "is not prepared; run: python -m"),
        ("train", {"run_dir": str(tmp_path / "none")}, "holds no run"),
    ):
        with pytest.raises(UserError, match=message):
            export.main(change(config, section, **changes))
    assert not (tmp_path / "run" / "export").exists()

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.inputs.images import make_folder
from tests.networks import TINY
from tnet_tf import evaluate
from tnet_tf.config import Config, DataConfig, EvalConfig, TrainConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.models.factory import build_model
from tnet_tf.training.checkpoints import BEST, keep_config

CLASSES = ("ant", "bee", "cat")


def prepared(folder, classes, name="insects"):
    """Settings of a prepared folder of images: 4 of each class to train on, 3 to test."""
    source = make_folder(folder / name, {"train": 4, "test": 3}, classes)
    data = DataConfig(
        dataset=f"folder/{name}",
        data_dir=str(folder / "records"),
        folder=str(source),
        image_size=(64, 48),
    )
    catalog.prepare_dataset(data)
    return data


def with_run(config):
    """Leaves what training leaves: settings and a best model, here an untrained one."""
    keep_config(config)
    build_model(config.model, len(CLASSES)).save(f"{config.train.run_dir}/{BEST}")
    return config


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("data"), CLASSES)


def untrained_run(data, folder):
    """Settings of a run on these data, as training would leave it there."""
    return with_run(
        Config(
            data=data,
            model=TINY,
            train=TrainConfig(run_dir=str(folder / "run")),
            eval=EvalConfig(eval_batch_size=4, figure_images=2),
        )
    )


@pytest.fixture
def config(data, tmp_path):
    return untrained_run(data, tmp_path)


def change(config, section, **changes):
    return dataclasses.replace(
        config, **{section: dataclasses.replace(getattr(config, section), **changes)}
    )


def test_measures_the_network_on_the_test_split(config):
    results = evaluate.main(config)
    dataset = catalog.open_dataset(config.data)
    (batch,) = pipeline.evaluation_batches(dataset, "test", config.data, 9)
    outputs = evaluate.load_model(config)(batch.image)
    hits = np.argmax(outputs.logits_by_count, axis=-1) == batch.label.numpy()[:, np.newaxis]
    assert results["images"] == 9
    assert results["top1_by_locations"] == pytest.approx(hits.mean(axis=0))
    assert results["top5_by_locations"] == [1.0] * 3
    assert results["split"] == "test"
    assert results["locations"] == [2]
    assert len(results["gflops_by_locations"]) == 3
    assert results["coverage_by_locations"][0] == pytest.approx(0.25)
    assert "recall_by_locations" not in results


def test_writes_and_prints_what_it_found(config, tmp_path, capsys):
    results = evaluate.main(config)
    folder = tmp_path / "run" / "evaluation"
    assert {path.name for path in folder.iterdir()} == {
        "report.txt",
        "report.json",
        "attention.png",
    }
    assert json.loads((folder / "report.json").read_text()) == results
    assert (folder / "report.txt").read_text() in capsys.readouterr().out
    with Image.open(folder / "attention.png") as picture:
        assert picture.format == "PNG"


def test_writes_to_the_folder_asked_for(config, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    evaluate.main(change(config, "eval", report_dir=str(elsewhere), figure_images=0))
    assert {path.name for path in elsewhere.iterdir()} == {"report.txt", "report.json"}
    assert not (tmp_path / "run" / "evaluation").exists()


def test_attends_to_as_many_locations_as_asked(config):
    results = evaluate.main(change(config, "eval", eval_locations=(3, 1)))
    assert results["locations"] == [3, 1]
    assert len(results["top1_by_locations"]) == len(results["gflops_by_locations"]) == 7
    assert len(results["coverage_by_locations"]) == 3


def test_measures_feedforward_networks_too(config, tmp_path):
    config = change(config, "model", model="feedforward")
    config = with_run(change(config, "train", run_dir=str(tmp_path / "feedforward")))
    results = evaluate.main(config)
    assert results["locations"] == []
    assert len(results["top1_by_locations"]) == len(results["gflops_by_locations"]) == 1
    assert "coverage_by_locations" not in results


def test_a_network_of_other_classes_is_a_users_mistake(config, tmp_path):
    other = prepared(tmp_path, ("left", "right"), "sides")
    with pytest.raises(UserError, match=r"knows 3 classes, but --dataset=folder/sides has 2"):
        evaluate.main(dataclasses.replace(config, data=other))


def test_settings_are_checked_before_anything_is_read(config):
    with pytest.raises(UserError, match="--eval_batch_size"):
        evaluate.main(change(config, "eval", eval_batch_size=0))


def test_a_run_that_does_not_exist_is_a_users_mistake(config, tmp_path):
    with pytest.raises(UserError, match="run_dir"):
        evaluate.main(change(config, "train", run_dir=str(tmp_path / "none")))

import contextlib
import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import exit_code
from tests.evaluated_runs import CLASSES, change, prepared, untrained_run, with_run, written
from tnet_tf import evaluate
from tnet_tf.errors import UserError
from tnet_tf.evaluation.loop import Evaluation
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.run import Run
from tnet_tf.training.checkpoints import load_model

NUMBERS = ("report.txt", "report.json", "predictions.csv", "confusion.csv")
PICTURES = ("attention.png", "confusion.png", "calibration.png")


@pytest.fixture
def config(insects, tmp_path):
    return untrained_run(insects, tmp_path)


@pytest.fixture(scope="module")
def measured(insects, tmp_path_factory):
    """A measurement with everything in it: settings, results, what was printed."""
    config = untrained_run(insects, tmp_path_factory.mktemp("measured"))
    config = change(config, "eval", gaze_baselines=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        results = evaluate.main(config)
    return config, results, printed.getvalue()


def test_measures_the_network_on_the_test_split(measured):
    config, results, _ = measured
    dataset = catalog.open_dataset(config.data)
    (batch,) = pipeline.evaluation_batches(dataset, "test", config.data, 9)
    outputs = evaluate.load_model(config)(batch.images)
    hits = np.argmax(outputs.logits_by_count, axis=-1) == batch.labels.numpy()[:, np.newaxis]
    assert results["images"] == 9
    assert results["top1_by_locations"].values == pytest.approx(hits.mean(axis=0))
    assert results["top5_by_locations"] == Curve(0, (1.0,) * 3)
    assert results["split"] == "test"
    assert results["locations"] == [2]
    assert results["gflops_by_locations"].counts == range(3)
    assert results["coverage_by_locations"].at(1) == pytest.approx(0.25)
    assert "recall_by_locations" not in results


def test_writes_and_prints_what_it_found(measured):
    config, results, printed = measured
    folder = written(config)
    assert {path.name for path in folder.iterdir()} == {*NUMBERS, *PICTURES}
    assert Results.from_json((folder / "report.json").read_text()) == results
    assert (folder / "report.txt").read_text() in printed
    for name in PICTURES:
        with Image.open(folder / name) as picture:
            assert picture.format == "PNG"


def test_the_files_agree_on_what_was_predicted(measured):
    config, results, _ = measured
    folder = written(config)
    with (folder / "predictions.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 9
    # Folders are named after the classes.
    assert [row["file"].split("/")[1] for row in rows] == [row["true"] for row in rows]
    top1 = results["top1_by_locations"]
    for count, share in zip(top1.counts, top1.values, strict=True):
        hits = [row[f"after_{count}"] == row["true"] for row in rows]
        assert np.mean(hits) == pytest.approx(share)
    with (folder / "confusion.csv").open(newline="") as lines:
        _, *confusion = csv.reader(lines)
    for true, *counts in confusion:
        for predicted, count in zip(CLASSES, counts, strict=True):
            pair = (true, predicted)
            assert int(count) == sum((row["true"], row["predicted"]) == pair for row in rows)
    assert [row["images"] for row in results["classes"]] == [3, 3, 3]
    bins = results["calibration"]["bins"]
    assert sum(each["images"] for each in bins) == 9
    confidence = sum(each["images"] * each["confidence"] for each in bins if each["images"])
    assert confidence == pytest.approx(sum(float(row["probability"]) for row in rows), rel=1e-4)


def test_a_learned_gaze_is_held_against_arbitrary_ones(measured):
    config, results, printed = measured
    assert list(results["gaze_baselines"]) == ["random", "central"]
    for found in results["gaze_baselines"].values():
        assert found["images"] == 9
        # The thumbnail is the same, and the cost.
        assert found["top1_by_locations"].at(0) == results["top1_by_locations"].at(0)
        assert found["top1_by_locations"].counts == results["top1_by_locations"].counts
        assert found["coverage_by_locations"].counts == range(1, 3)
    rows = [line.split()[:2] for line in printed.splitlines()]
    for count in ("1", "2"):
        for gaze in ("learned", "random", "central"):
            assert [count, gaze] in rows
    with Image.open(written(config) / "attention.png") as picture:
        # Two rows of image, thumbnail and two regions are wider than high, but not twice.
        assert picture.width > 2 * picture.height


def test_writes_to_the_folder_asked_for(config, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    evaluate.main(change(config, "eval", report_dir=str(elsewhere), figure_images=0))
    assert {path.name for path in elsewhere.iterdir()} == {*NUMBERS, *PICTURES} - {"attention.png"}
    assert not (tmp_path / "run" / "evaluation").exists()


def test_a_network_that_has_diverged_is_measured_and_said_to_be_so(config, tmp_path, capsys):
    config = change(change(config, "model", model="mgnet"), "eval", gaze_baselines=True)
    config = with_run(change(config, "train", run_dir=str(tmp_path / "diverged")))
    model = load_model(config)
    for weight in model.localization.weights:
        weight.assign(np.full(weight.shape, np.nan))
    model.save(Run(config.train.run_dir).best)
    few = {"corruptions": ("fog",), "severities": (3,)}
    results = evaluate.main(change(config, "robustness", **few))
    assert results["coverage_by_locations"] == Curve(1, (0, 0))
    assert results["top1_by_locations"].values[1:] == (0, 0)
    assert json.loads((written(config) / "report.json").read_text())["calibration"] is None
    assert (written(config) / "robustness.json").exists()
    assert "9 images have no finite prediction" in capsys.readouterr().out


def test_attends_to_as_many_locations_as_asked(config):
    results = evaluate.main(change(config, "eval", eval_locations=(3, 1)))
    assert results["locations"] == [3, 1]
    assert results["top1_by_locations"].counts == range(7)
    assert results["gflops_by_locations"].counts == range(7)
    assert results["coverage_by_locations"].counts == range(1, 4)


def test_measures_feedforward_networks_too(config, tmp_path):
    config = change(change(config, "model", model="feedforward"), "eval", gaze_baselines=True)
    config = with_run(change(config, "train", run_dir=str(tmp_path / "feedforward")))
    results = evaluate.main(config)
    assert results["locations"] == []
    assert results["top1_by_locations"].counts == range(1)
    assert results["gflops_by_locations"].counts == range(1)
    assert "coverage_by_locations" not in results
    assert "gaze_baselines" not in results


def test_a_folder_that_can_not_be_written_is_told_before_the_work(config, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(Evaluation, "run", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(UserError, match="--report_dir"):
        evaluate.main(change(config, "eval", report_dir=str(tmp_path / "file" / "inside")))


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


def test_a_cost_that_can_not_be_counted_is_told_before_images_are_read(config, monkeypatch, capsys):
    def refuse(*network):
        raise UserError("the cost of FFT can't be counted")

    monkeypatch.setattr(evaluate.cost, "gflops_by_locations", refuse)
    with pytest.raises(UserError, match="FFT"):
        evaluate.main(config)
    assert "evaluating" not in capsys.readouterr().err


def test_the_run_says_how_it_is_measured(config, tmp_path, capsys):
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    assert exit_code(evaluate.main, f"--run_dir={moved}") == 0
    said, found = (
        capsys.readouterr().out,
        json.loads((moved / "evaluation/report.json").read_text()),
    )
    assert "differs" not in said
    assert found["image_size"] == [64, 48] and found["locations"] == [2]
    assert found["dataset"] == "folder/insects" and found["run_dir"] == str(moved)


def test_other_conditions_than_the_run_s_are_used_and_said(config, capsys):
    run_dir = f"--run_dir={config.train.run_dir}"
    other = ("--image_size=48,64", "--eval_locations=3", "--test_split=train[:5]")
    assert exit_code(evaluate.main, run_dir, *other, "--locations=2", "--grid=3") == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "differs" in line)
    assert line == (
        "--test_split=train[:5] differs from the run's default; --image_size=48,64 differs from "
        "the run's 64,48; --eval_locations=3 differs from the run's 2"
    )
    found = json.loads(Path(config.train.run_dir, "evaluation/report.json").read_text())
    assert (found["image_size"], found["locations"], found["images"]) == ([48, 64], [3], 5)

import json

import pytest

from tests.commands import exit_code, the_error
from tests.inputs.images import make_folder
from tnet_tf import benchmark, prepare
from tnet_tf.benchmarking import cases, costs, workloads
from tnet_tf.evaluation.results import Curve, Results

SMALL = (
    "--dataset=folder/pets",
    "--image_size=64",
    "--backbone=plain_cnn",
    "--base_resolution=32",
    "--batch_size=2",
    "--sets=3",
    "--batches_per_set=1",
    "--training_steps=2",
    "--nomeasure_memory",
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dense.flags").write_text(
        "--model=feedforward\n--backbone=plain_cnn\n--image_size=64\n--run_dir=runs/dense\n"
        "--classes=4\n"
    )
    return tmp_path


def run(folder, *arguments):
    return exit_code(
        benchmark.main, *SMALL, f"--benchmark_dir={folder / 'out'}", "--classes=4", *arguments
    )


def report(folder):
    return json.loads((folder / "out" / "report.json").read_text())


@pytest.fixture
def rounds(monkeypatch):
    """The names of what was timed by turns, in that order, a list for each time."""
    # What the unit of time computes does not matter here.
    monkeypatch.setattr(workloads, "reference", lambda: lambda: None)
    timed, interleaved = [], costs.interleaved
    monkeypatch.setattr(
        costs,
        "interleaved",
        lambda actions, *args, **kw: (
            timed.append(list(actions)) or interleaved(actions, *args, **kw)
        ),
    )
    return timed


def test_the_unit_of_time_takes_turns_with_all_networks_and_is_the_table_s_last_row(folder, rounds):
    assert run(folder, "--run_dir=runs/mine", f"--against={folder / 'dense.flags'}") == 0
    inference, training = rounds
    for names in (inference, training):
        assert {case.network for case in names[:-1]} == {"mine", "dense"}
        assert names[-1].network == cases.REFERENCE
    lines = (folder / "out" / "report.txt").read_text().splitlines()
    end = next(n for n, line in enumerate(lines) if line.startswith("mine: "))
    rows = [line.split("  ")[0] for line in lines[:end]]
    assert rows.index("EfficientNetB0 (R)") == end - 1
    assert "medians over sets" in lines[-1]


def test_networks_are_measured_after_every_number_of_locations(folder, capsys):
    against = f"--against={folder / 'dense.flags'}"
    profile = f"--profile={folder / 'profile'}"
    assert run(folder, "--run_dir=runs/mine", "--locations=2,1", against, profile) == 0
    results = report(folder)
    mine, dense = results["networks"]["mine"], results["networks"]["dense"]
    assert mine["training"]["reference_milliseconds_median"] > 0
    assert [row["locations"] for row in mine["inference"]] == [0, 1, 2, 4]
    assert [row["locations"] for row in dense["inference"]] == [0]
    gflops = [row["gflops"] for row in mine["inference"]]
    assert gflops == sorted(gflops)
    for row in (*mine["inference"], *dense["inference"], mine["training"], results["reference"]):
        assert row["milliseconds_median"] > 0
    shown = capsys.readouterr().out
    assert shown.startswith((folder / "out" / "report.txt").read_text())
    assert (folder / "out" / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "profile").rglob("*.xplane.pb"))


def test_exports_and_larger_images_are_measured_of_the_command_s_own_network(
    folder, capsys, monkeypatch
):
    done = []
    for name in ("save", "load"):
        real = getattr(cases.formats, name)
        monkeypatch.setattr(
            cases.formats,
            name,
            lambda form, *rest, name=name, real=real: (
                done.append((name, form)) or real(form, *rest)
            ),
        )
    arguments = (f"--against={folder / 'dense.flags'}", "--forms=savedmodel,cpu,onnx")
    assert run(folder, "--run_dir=runs/mine", "--side_lengths=100,300", *arguments) == 0
    mine, dense = (report(folder)["networks"][name] for name in ("mine", "dense"))
    assert [row["form"] for row in mine["exports"]] == ["savedmodel", "cpu", "onnx"]
    assert [row["side"] for row in mine["large_images"]] == [100, 300]
    # One SavedModel is written and loaded for all sizes.
    forms = ("savedmodel", "cpu", "onnx")
    assert done == [(name, form) for form in forms for name in ("save", "load")]
    assert all(row["milliseconds_median"] > 0 for row in mine["exports"] + mine["large_images"])
    assert dense["exports"] == dense["large_images"] == []
    shown = capsys.readouterr().out
    assert "300 px" in shown and "onnx" in shown


def test_accuracy_is_drawn_against_time_where_evaluate_has_measured_it(folder, monkeypatch):
    drawn = []
    plot = benchmark.report.plot
    monkeypatch.setattr(
        benchmark.report, "plot", lambda results: drawn.append(results) or plot(results)
    )
    evaluated = folder / "evaluation"
    evaluated.mkdir()
    top1 = Curve(0, (0.5, 0.75, 0.8))
    (evaluated / "report.json").write_text(Results({"top1_by_locations": top1}).to_json())
    for reports, expected in ((evaluated, top1), (folder / "none", None)):
        assert run(folder, f"--report_dir={reports}", "--training_steps=0") == 0
        (network,) = drawn[-1]["networks"].values()
        assert network["top1_by_locations"] == expected


def test_memory_is_measured_and_input_where_records_are_prepared(folder):
    images = make_folder(folder / "images", {"train": 5, "val": 2}, ("a", "b", "c", "d"))
    records = f"--data_dir={folder / 'records'}"
    assert exit_code(prepare.main, *SMALL[:1], f"--folder={images}", records) == 0
    arguments = ("--measure_memory", "--locations=3", "--location_counts=3", "--training_steps=0")
    assert run(folder, records, "--precision=bfloat16", "--input_batches=2", *arguments) == 0
    (network,) = report(folder)["networks"].values()
    (row,) = network["inference"]
    assert row["locations"] == 3
    assert row["peak_bytes"] > 0
    assert network["input_images_per_second"] > 0
    assert network["training"] is None


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("--location_counts=5", "--location_counts=5 is not where --locations=2 can end: 0,1,2"),
        ("--location_counts=-1", "--location_counts must not be negative"),
        ("--sets=0", "--sets must be positive"),
        ("--batch_size=0", "--batch_size must be positive"),
        ("--forms=cpu,gpu", "--forms=gpu is unknown; there are savedmodel, litert, onnx"),
        ("--side_lengths=0", "--side_lengths must be positive"),
        ("--training_steps=-1", "--training_steps must not be negative"),
        ("--model=mgnet", "--model=mgnet learns by --rule=joint_classifiers, not by --rule=rein"),
        ("--benchmark_dir=", "--benchmark_dir is empty"),
        ("--classes=0", "how many classes has folder/pets? give --classes, or prepare it: python"),
        ("--against=missing.flags", "missing.flags"),
        ("--run_dir=runs/dense", "two networks have the --run_dir runs/dense"),
    ],
)
def test_mistakes_are_told_in_one_line(folder, capsys, mistake, message):
    arguments = [f"--against={folder / 'dense.flags'}", mistake]
    assert run(folder, *arguments) == 2
    assert message in the_error(capsys.readouterr().err)
    assert not (folder / "out").exists()

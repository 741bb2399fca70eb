import pytest
from PIL import Image

from tests.commands import exit_code, the_error
from tests.evaluated_runs import change, untrained_run, with_run
from tnet_tf import evaluate
from tnet_tf.evaluation.results import Results
from tnet_tf.run import Run


@pytest.fixture
def config(insects, tmp_path):
    return untrained_run(insects, tmp_path)


def robustly(config, **changes):
    """Settings with a few trials."""
    few = {"corruptions": ("fog",), "severities": (3,), "attack": ("pgd",), "attack_steps": (2,)}
    return change(change(config, "eval", figure_images=0), "robustness", **{**few, **changes})


def test_corruptions_and_attacks_are_measured_written_and_printed(config, tmp_path, capsys):
    found = evaluate.main(robustly(config))["robustness"]
    folder = tmp_path / "run" / "evaluation"
    assert [row["name"] for row in found["trials"]] == ["clean", "fog", "pgd"]
    assert {row["images"] for row in found["trials"]} == {9}
    assert Results.from_json((folder / "robustness.json").read_text()) == found
    assert (folder / "robustness.txt").read_text() in capsys.readouterr().out
    with Image.open(folder / "robustness.png") as picture:
        assert picture.format == "PNG"


def test_robustness_goes_on_with_what_was_measured_before(config, capsys):
    first = evaluate.main(robustly(config, attack=()))["robustness"]
    second = evaluate.main(robustly(config))["robustness"]
    # 9 images are 3 batches of 4.
    assert "going on after 3 batches" in capsys.readouterr().out
    assert second["trials"][:2] == first["trials"]


def test_robustness_of_another_network_is_measured_anew(config, tmp_path, capsys):
    evaluate.main(robustly(config))
    Run(config.train.run_dir).best.unlink()
    evaluate.main(robustly(with_run(config)))
    assert "going on" not in capsys.readouterr().out


def test_networks_are_compared_in_one_report(config, tmp_path, capsys):
    evaluate.main(robustly(config))
    other = change(config, "model", model="mgnet")
    other = with_run(change(other, "train", run_dir=str(tmp_path / "other")))
    evaluate.main(robustly(other, compare=(str(tmp_path / "run" / "evaluation"),)))
    text = (tmp_path / "other" / "evaluation" / "robustness.txt").read_text()
    rows = [line.split()[:3] for line in text.splitlines()]
    for name in ("run", "other"):
        for kind in ("clean", "pgd"):
            assert [str(tmp_path / name), kind, {"clean": "-", "pgd": "4/255"}[kind]] in rows


@pytest.mark.parametrize(
    "flag",
    [
        "--corruptions=rain",
        "--severities=6",
        "--attack=prayer",
        "--attack_steps=0",
        "--attack_queries=",
        "--attack_epsilon=-1",
        "--compare=nowhere",
    ],
)
def test_what_can_not_be_measured_is_told_before_any_work(config, flag, capsys):
    run_dir = f"--run_dir={config.train.run_dir}"
    assert exit_code(evaluate.main, run_dir, "--dataset=folder/not_prepared", flag) == 2
    assert flag.partition("=")[0] in the_error(capsys.readouterr().err)

from pathlib import Path

import pytest

from experiments import demo
from tnet_tf.evaluation.results import Results
from tnet_tf.flags import read_config

ROOT = Path(__file__).parents[1]
LEFTOVER = Path("runs/demo/tnet/checkpoints/checkpoint")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a demo of two training steps per network was run."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "experiments").symlink_to(ROOT / "experiments")
    (folder / LEFTOVER).parent.mkdir(parents=True)
    (folder / LEFTOVER).write_text("of an earlier demo")
    short = ("--train_steps=2", "--checkpoint_every=2", "--figure_images=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(demo, "read_config", lambda *arguments: read_config(*arguments, *short))
        demo.main(None)
    return folder


@pytest.fixture(scope="module")
def summary(folder):
    return Results.from_json((folder / demo.SUMMARY).read_text())


def test_summary_has_every_figure(summary):
    assert {name: sorted(figures) for name, figures in summary.items()} == {
        "tnet": ["gflops_by_locations", "hit_rate", "top1_by_locations"],
        "thumbnail": ["gflops", "top1"],
        "dense": ["gflops", "top1"],
        "seconds": ["total", "train"],
    }
    assert list(summary["tnet"].curves["top1"].counts) == [0, 1, 2, 3]
    assert 0 < summary["seconds"]["train"] < summary["seconds"]["total"]
    # Two steps teach nothing, so whatever is right, is right by chance.
    assert 0 < summary["dense"]["top1"] < 0.5
    assert 0 < summary["tnet"]["hit_rate"] < 1


def test_summary_has_curves_by_number_of_locations(summary, folder):
    """As all JSON files have them: `from_json` alone reads the lists of earlier versions, too."""
    assert (folder / demo.SUMMARY).read_text() == summary.to_json()


def test_baselines_cost_what_they_are_there_for(summary):
    costs = summary["tnet"].curves["gflops"].values
    assert list(costs) == sorted(costs)
    assert summary["thumbnail"]["gflops"] <= costs[0]
    assert costs[-1] <= summary["dense"]["gflops"] < 1.2 * costs[-1]


def test_networks_differ_only_in_what_they_look_at():
    configs = [read_config(f"--flagfile={ROOT}/{path}") for path in demo.FLAG_FILES.values()]
    assert len({config.learning for config in configs}) == 1
    for setting in ("train_steps", "batch_size", "learning_rate", "optimizer", "seed"):
        assert len({getattr(config.train, setting) for config in configs}) == 1
    assert len({config.model.backbone for config in configs}) == 1


def test_figure_of_attended_regions_is_written(folder):
    assert (folder / "runs/demo/tnet/evaluation/attention.png").stat().st_size > 10_000


def test_leftovers_of_an_earlier_demo_do_not_matter(folder):
    assert "earlier" not in (folder / LEFTOVER).read_text()

import shutil

import pytest

from tests.training.runs import FEEDFORWARD, saved_state, short_run
from tnet_tf import train
from tnet_tf.evaluation.results import Curve
from tnet_tf.inputs import catalog
from tnet_tf.training.early_stopping import EarlyStopping
from tnet_tf.training.trainer import Trainer

# Evaluated after steps 2, 4, ..: the best is the second, and an equal one is no better.
ACCURACIES = (0.1, 0.3, 0.2, 0.3, 0.9, 0.9)
WAITED = "waited/.ATTRIBUTES/VARIABLE_VALUE"


def start(config):
    """A trainer whose evaluations find `ACCURACIES`, whatever was learned."""
    trainer = Trainer(config, catalog.open_dataset(config.data))

    def found(*_):
        return {"top1_by_locations": Curve(0, (ACCURACIES[trainer.step.numpy() // 2 - 1],))}

    trainer.evaluation.run = found
    return trainer


def settings(data_dir, run_dir, *more):
    intervals = ("--train_steps=12", "--evaluate_every=2", "--checkpoint_every=3")
    return short_run(data_dir, f"--run_dir={run_dir}", *FEEDFORWARD, *intervals, *more)


def test_a_run_ends_after_its_patience_and_a_resumed_one_at_the_same_step(
    data_dir, tmp_path, capsys
):
    config = settings(data_dir, tmp_path / "run", "--early_stopping=2")
    trainer = start(config)
    trainer.fit()
    assert trainer.step.numpy() == 8
    assert trainer.best.numpy() == pytest.approx(0.3)
    assert "2 evaluations without a better validation top-1" in capsys.readouterr().out
    ended = saved_state(tmp_path / "run")
    assert ended[WAITED] == 2

    # The checkpoint before the end is that of step 6, after the first evaluation of the two.
    for file in (tmp_path / "run" / "checkpoints").glob("ckpt-8*"):
        file.unlink()
    resumed = start(config)
    resumed.fit()
    assert resumed.step.numpy() == 8
    for name, value in saved_state(tmp_path / "run").items():
        assert (value == ended[name]).all(), name


def test_a_run_that_has_ended_has_nothing_left_to_do(data_dir, tmp_path, capsys):
    config = settings(data_dir, tmp_path / "run", "--early_stopping=1")
    start(config).fit()
    shutil.rmtree(tmp_path / "run" / "tensorboard")
    train.main(config)
    assert "done: 6 steps" in capsys.readouterr().out


def test_evaluations_that_are_better_start_the_count_anew():
    stopping = EarlyStopping(2)
    ended = []
    for better in (True, False, True, False, False):
        stopping.update(better)
        ended.append(stopping.ended)
    assert ended == [False, False, False, False, True]


def test_without_patience_a_run_never_ends_early():
    stopping = EarlyStopping(0)
    for _ in range(5):
        stopping.update(False)
    assert not stopping.ended

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.training.runs import prepared, saved_state, short_run
from tnet_tf.config import TrainConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog
from tnet_tf.training.continuation import check_length
from tnet_tf.training.trainer import Trainer


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("records"))


def train(data_dir, run_dir, *settings):
    config = short_run(data_dir, f"--run_dir={run_dir}", "--checkpoint_every=0", *settings)
    trainer = Trainer(config, catalog.open_dataset(config.data))
    trainer.fit()
    return trainer


def stopped(folder, done):
    """The folder of a run that has done so many steps."""
    checkpoint = tf.train.Checkpoint(step=tf.Variable(done, dtype=tf.int64))
    tf.train.CheckpointManager(checkpoint, f"{folder}/checkpoints", 2).save(done)
    return str(folder)


def check(run_dir, steps_before, steps, before=None, **changes):
    before = before or TrainConfig(run_dir=run_dir, learning_rate=0.5)
    check_length(before, steps_before, dataclasses.replace(before, **changes), steps)


def test_a_longer_run_is_what_it_would_have_been_from_the_start(data_dir, tmp_path):
    """3 steps, then up to 6, of which the last two have a lower rate."""
    longer = ("--train_steps=6", "--learning_rate_drop_at=0.667")
    train(data_dir, tmp_path / "longer", "--train_steps=3", "--learning_rate_drop_at=1")
    train(data_dir, tmp_path / "longer", *longer)
    train(data_dir, tmp_path / "undisturbed", *longer)
    found, expected = saved_state(tmp_path / "longer"), saved_state(tmp_path / "undisturbed")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_epochs_can_be_added(data_dir, tmp_path):
    settings = ("--train_steps=0", "--train_split=train[:16]", "--learning_rate_drop=1")
    assert train(data_dir, tmp_path / "run", *settings, "--epochs=1").steps == 2
    assert train(data_dir, tmp_path / "run", *settings, "--epochs=3").steps == 6
    assert saved_state(tmp_path / "run")["step/.ATTRIBUTES/VARIABLE_VALUE"] == 6


def test_a_longer_run_that_would_have_been_another_is_refused_and_stays_as_it_is(
    data_dir, tmp_path
):
    train(data_dir, tmp_path / "run", "--train_steps=3")
    before = saved_state(tmp_path / "run"), (tmp_path / "run/config.json").read_text()
    with pytest.raises(UserError, match="Give --learning_rate_drop_at="):
        train(data_dir, tmp_path / "run", "--train_steps=6")
    assert saved_state(tmp_path / "run").keys() == before[0].keys()
    assert (tmp_path / "run/config.json").read_text() == before[1]


def test_before_the_drop_it_may_move(tmp_path):
    run_dir = stopped(tmp_path, 79)
    check(run_dir, 100, 200)
    check(run_dir, 100, 99)
    check(run_dir, 100, 100, learning_rate_drop_at=0.9)


def test_a_drop_that_lies_in_the_past_stays_there(tmp_path):
    run_dir = stopped(tmp_path, 1400)
    with pytest.raises(UserError) as error:
        check(run_dir, 1400, 2000)
    assert str(error.value) == (
        f"{run_dir} has done 1400 steps of 1400; of 2000, the learning rate would have been 0.5 "
        "instead of 0.05 from step 1121 on, which lies in the past. Give "
        "--learning_rate_drop_at=0.56 to let it drop after step 1120"
    )
    check(run_dir, 1400, 2000, learning_rate_drop_at=0.56)


@pytest.mark.parametrize(("before", "now"), [(7, 9), (1001, 1777), (156_250, 400_001)])
def test_the_share_that_is_advised_is_exact(tmp_path, before, now):
    run_dir = stopped(tmp_path, before)
    with pytest.raises(UserError, match="Give --learning_rate_drop_at=") as error:
        check(run_dir, before, now)
    share = float(str(error.value).partition("--learning_rate_drop_at=")[2].split()[0])
    check(run_dir, before, now, learning_rate_drop_at=share)


def test_one_cycle_is_made_for_its_number_of_steps(tmp_path):
    run_dir = stopped(tmp_path, 30)
    before = TrainConfig(run_dir=run_dir, schedule="one_cycle")
    check(run_dir, 100, 100, before)
    with pytest.raises(UserError, match=r"lies in the past\. Give another --run_dir, and --pretr"):
        check(run_dir, 100, 120, before)
    check(str(tmp_path / "not begun"), 100, 120, dataclasses.replace(before, run_dir="not begun"))


def test_steps_are_not_undone(tmp_path):
    run_dir = stopped(tmp_path, 30)
    with pytest.raises(UserError, match="has done 30 steps of 100, more than the 20 asked for"):
        check(run_dir, 100, 20)
    with pytest.raises(UserError, match=r"from step 25 on.*Give --learning_rate_drop_at=1\.0 to"):
        check(run_dir, 100, 30)
    check(run_dir, 100, 30, learning_rate_drop_at=1.0)

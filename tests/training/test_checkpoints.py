import contextlib
import dataclasses
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import shallow
from tests.training.runs import saved_state, short_run
from tnet_tf.config import Config
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog
from tnet_tf.models.weights.names import variable_names
from tnet_tf.run import Run
from tnet_tf.training.checkpoints import Checkpoints, check_config, keep_config, load_model
from tnet_tf.training.trainer import Trainer

DATA = "ckpt-4.data-00000-of-00001"


def start(config):
    return Trainer(config, catalog.open_dataset(config.data))


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    """A run that was trained to its end."""
    trainer = start(short_run(data_dir, f"--run_dir={tmp_path_factory.mktemp('runs') / 'run'}"))
    trainer.fit()
    return trainer


@pytest.fixture
def config(finished, data_dir, tmp_path):
    """Settings of a copy of the finished run."""
    run_dir = tmp_path / "run"
    shutil.copytree(finished.config.train.run_dir, run_dir)
    return short_run(data_dir, f"--run_dir={run_dir}")


def weights(model):
    return {name: variable.numpy() for name, variable in variable_names(model).items()}


def assert_equal_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def state(trainer):
    """Everything but the weights that training depends on."""
    return [
        *(variable.numpy() for variable in trainer.train_step.rule.state.values()),
        trainer.step.numpy(),
        trainer.best.numpy(),
        *(v.numpy() for group in trainer.train_step.groups for v in group.optimizer.variables),
    ]


@contextlib.contextmanager
def full_disk(room=4096):
    """Lets no file become longer than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_restored(finished, config):
    trainer = start(config)
    assert any((value != 0).any() for value in state(finished)[4:])
    assert trainer.checkpoints.restore()
    assert_equal_weights(trainer.model, finished.model)
    for restored, saved in zip(state(trainer), state(finished), strict=True):
        np.testing.assert_array_equal(restored, saved)


def test_a_run_without_extras_saves_no_state_of_theirs(finished):
    """Checkpoints of runs from before there were any fit those of today."""
    saved = {name.split("/")[0] for name in saved_state(finished.run.folder)}
    assert saved == {"model", "optimizers", "baseline", "step", "best", "classes"}


def test_a_run_with_the_baseline_of_earlier_versions_goes_on(tmp_path):
    """All their runs have one; today only those whose rule uses it."""
    before, now, step = shallow(), shallow(), tf.Variable(0)
    Checkpoints(Run(tmp_path), before, {}, step=tf.Variable(3), baseline=tf.Variable(0.3)).save(3)
    for number in (3, 4):
        checkpoints = Checkpoints(Run(tmp_path), now, {}, step=step)
        assert checkpoints.restore()
        assert step.numpy() == number
        assert_equal_weights(now, before)
        step.assign_add(1)
        checkpoints.save(number + 1)
    restored = tf.Variable(0.0)
    assert Checkpoints(Run(tmp_path), now, {}, step=step, baseline=restored).restore()
    assert restored.numpy() == np.float32(0.3)


def test_a_checkpoint_with_state_that_nothing_takes_is_refused(tmp_path):
    model, step = shallow(), tf.Variable(0)
    Checkpoints(Run(tmp_path), model, {}, step=step, temperature=tf.Variable(1.0)).save(1)
    with pytest.raises(UserError, match="ckpt-1 does not fit this network"):
        Checkpoints(Run(tmp_path), model, {}, step=step).restore()


def test_the_last_model_is_loaded_with_all_its_weights(finished, config):
    evaluation = dataclasses.replace(config.eval, checkpoint="last")
    model = load_model(dataclasses.replace(config, eval=evaluation))
    assert_equal_weights(model, finished.model)
    moving = [value for name, value in weights(model).items() if "moving_mean" in name]
    assert moving
    assert all((value != 0).any() for value in moving)


def test_the_best_model_is_loaded(config):
    images = np.zeros((1, 96, 64, 3), np.float32)
    assert np.isfinite(load_model(config)(images).logits).all()


def test_a_finished_run_has_nothing_left_to_do(finished, config):
    trainer = start(config)
    before = files(trainer.run.checkpoints)
    trainer.fit()
    assert_equal_weights(trainer.model, finished.model)
    assert files(trainer.run.checkpoints) == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("--learning_rate=0.5", r"--learning_rate was 0\.001, now 0\.5"),
        ("--locations=3", r"--locations was 2, now 3"),
        ("--seed=1", r"--seed was 0, now 1"),
        ("--lambda_f=0.2", r"--lambda_f was 0\.1, now 0\.2"),
        ("--dataset=digit_scenes", r"--dataset was digit_scenes/96x64, now digit_scenes"),
    ],
)
def test_another_configuration_is_refused(config, data_dir, setting, message):
    run_dir = f"--run_dir={config.train.run_dir}"
    with pytest.raises(UserError, match=message):
        check_config(short_run(data_dir, run_dir, setting))


@pytest.mark.parametrize(
    "setting",
    ["--data_workers=3", "--checkpoint_every=7", "--summary_every=1", "--test_split=test[:5]"],
)
def test_what_does_not_change_the_outcome_may_change(config, data_dir, setting):
    check_config(short_run(data_dir, f"--run_dir={config.train.run_dir}", setting))


def test_a_run_that_never_saved_a_checkpoint_does_not_bind(data_dir, tmp_path):
    keep_config(short_run(data_dir, f"--run_dir={tmp_path}"))
    check_config(short_run(data_dir, f"--run_dir={tmp_path}", "--learning_rate=0.5"))


def test_a_checkpoint_of_another_network_is_refused(config, data_dir, tmp_path):
    shutil.copytree(Run(config.train.run_dir).checkpoints, tmp_path / "other" / "checkpoints")
    other = start(short_run(data_dir, f"--run_dir={tmp_path / 'other'}", "--feature_weighting"))
    with pytest.raises(UserError, match=r"ckpt-4 does not fit this network .*--run_dir"):
        other.checkpoints.restore()


@pytest.mark.parametrize("change", ["--backbone=efficientnet_b0", "--feature_weighting"])
def test_evaluation_of_another_network_is_refused(config, data_dir, change):
    other = short_run(data_dir, f"--run_dir={config.train.run_dir}", change)
    flag = change.partition("=")[0]
    with pytest.raises(UserError, match=f"holds another network: {flag} was"):
        load_model(other)


@pytest.mark.parametrize("file", [DATA, "ckpt-4.index"])
@pytest.mark.parametrize("length", [0, 100])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_can_be_used(config, file, length):
    trainer = start(config)
    path = trainer.run.checkpoints / file
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"(ckpt-4) is damaged .*delete .*\1\.\* to go on"):
        trainer.checkpoints.restore()
    for part in path.parent.glob("ckpt-4.*"):
        part.unlink()
    assert trainer.checkpoints.restore()
    assert trainer.step.numpy() == 2


def test_a_damaged_last_model_is_named(config):
    evaluation = dataclasses.replace(config.eval, checkpoint="last")
    with (Run(config.train.run_dir).checkpoints / DATA).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(UserError, match=r"checkpoint .*ckpt-4 is damaged"):
        load_model(dataclasses.replace(config, eval=evaluation))


def test_a_damaged_best_model_is_named(config):
    with Run(config.train.run_dir).best.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(UserError, match=f"the best model of {config.train.run_dir} can't be read"):
        load_model(config)


def test_a_run_that_was_stopped_early_says_what_can_be_measured(config):
    run = Run(config.train.run_dir)
    run.best.unlink()
    with pytest.raises(UserError, match=r"no best model yet.*--checkpoint=last takes .*ckpt-4$"):
        load_model(config)
    shutil.rmtree(run.checkpoints)
    with pytest.raises(UserError, match=r"no best model yet.*no checkpoint either: repeat the tr"):
        load_model(config)
    evaluation = dataclasses.replace(config.eval, checkpoint="last")
    with pytest.raises(UserError, match=r"no checkpoint yet.*repeat the train command"):
        load_model(dataclasses.replace(config, eval=evaluation))


def test_settings_of_another_version_are_named(config):
    other = Config().to_json().replace("lambda_f", "lambda_F")
    Run(config.train.run_dir).settings.write_text(other)
    with pytest.raises(UserError, match=r"config\.json is not a settings file of this version"):
        check_config(config)


def test_on_a_full_disk_the_last_good_checkpoint_survives(finished, config):
    trainer = start(config)
    trainer.checkpoints.restore()
    before = files(trainer.run.folder)
    with full_disk():
        with pytest.raises(UserError) as of_checkpoint:
            trainer.checkpoints.save(5)
        with pytest.raises(UserError) as of_best:
            trainer.checkpoints.save_best(trainer.model)
    for error, what in ((of_checkpoint, "checkpoint"), (of_best, "best model")):
        assert f"the {what} could not be written to {trainer.run}" in str(error.value)
        assert "the last good checkpoint" in str(error.value)
        assert "\n" not in str(error.value)
    assert files(trainer.run.folder) == before
    again = start(config)
    assert again.checkpoints.restore()
    assert_equal_weights(again.model, finished.model)
    again.checkpoints.save(5)


def test_a_run_folder_that_cannot_be_written_is_named(data_dir, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"/file/run/config\.json can't be written .*another --run_dir"
    ):
        start(short_run(data_dir, f"--run_dir={tmp_path}/file/run"))


def test_a_run_that_does_not_exist_cannot_be_evaluated(data_dir, tmp_path):
    with pytest.raises(UserError, match=r"holds no run; train one first"):
        load_model(short_run(data_dir, f"--run_dir={tmp_path}"))

import pytest

from tests.training.runs import prepared, short_run
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog
from tnet_tf.training import trainer
from tnet_tf.training.devices import make_strategy


def test_a_batch_must_divide_over_all_devices_there_are(tmp_path, monkeypatch):
    config = short_run(prepared(tmp_path), "--batch_size=7", f"--run_dir={tmp_path / 'run'}")
    # As on a machine with two GPUs, which --devices=0 takes.
    monkeypatch.setattr(trainer, "make_strategy", lambda _: make_strategy(2))
    with pytest.raises(UserError, match="--batch_size=7 does not divide over 2 devices"):
        trainer.Trainer(config, catalog.open_dataset(config.data))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("steps", "interval"), [(1, 1), (9, 1), (940, 94), (10_000, 1000), (4_003_647, 1000)]
)
def test_a_run_of_any_length_is_saved_and_measured_early(steps, interval):
    assert trainer.checkpoint_interval(steps) == interval


def test_what_the_settings_say_of_checkpoints_holds(tmp_path):
    """Ten checkpoints and evaluations are the default; either may be set alone."""
    data = prepared(tmp_path)
    for number, (settings, expected) in enumerate(
        {
            ("--checkpoint_every=0",): (4, 4),
            ("--checkpoint_every=7",): (7, 7),
            ("--checkpoint_every=0", "--evaluate_every=9"): (4, 9),
        }.items()
    ):
        run_dir = f"--run_dir={tmp_path / str(number)}"
        config = short_run(data, "--train_steps=40", run_dir, *settings)
        made = trainer.Trainer(config, catalog.open_dataset(config.data))
        assert (made.checkpoint_every, made.evaluate_every) == expected


def test_a_profile_of_some_steps_is_written(tmp_path):
    run_dir = tmp_path / "run"
    config = short_run(prepared(tmp_path), "--profile_steps=2,3", f"--run_dir={run_dir}")
    trainer.Trainer(config, catalog.open_dataset(config.data)).fit()
    assert len(list((run_dir / "tensorboard").rglob("*.xplane.pb"))) == 1

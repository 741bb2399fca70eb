import dataclasses

import numpy as np
import pytest

from tests.training.runs import EVERYTHING, FEEDFORWARD, saved_state, short_run
from tnet_tf.errors import UserError
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.loop import Evaluation
from tnet_tf.evaluation.results import Curve
from tnet_tf.inputs import catalog
from tnet_tf.models.weights.names import variable_names
from tnet_tf.training import trainer
from tnet_tf.training.checkpoints import load_model
from tnet_tf.training.class_weights import class_weights
from tnet_tf.training.devices import make_strategy
from tnet_tf.training.gradients import LossScale


def test_a_batch_must_divide_over_all_devices_there_are(data_dir, tmp_path, monkeypatch):
    config = short_run(data_dir, "--batch_size=7", f"--run_dir={tmp_path / 'run'}")
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


def test_what_the_settings_say_of_checkpoints_holds(data_dir, tmp_path):
    """Ten checkpoints and evaluations are the default; either may be set alone."""
    for number, (settings, expected) in enumerate(
        {
            ("--checkpoint_every=0",): (4, 4),
            ("--checkpoint_every=7",): (7, 7),
            ("--checkpoint_every=0", "--evaluate_every=9"): (4, 9),
        }.items()
    ):
        run_dir = f"--run_dir={tmp_path / str(number)}"
        config = short_run(data_dir, "--train_steps=40", run_dir, *settings)
        made = trainer.Trainer(config, catalog.open_dataset(config.data))
        assert (made.checkpoint_every, made.evaluate_every) == expected


def test_a_profile_of_some_steps_is_written(data_dir, tmp_path):
    run_dir = tmp_path / "run"
    config = short_run(data_dir, "--profile_steps=2,3", f"--run_dir={run_dir}")
    trainer.Trainer(config, catalog.open_dataset(config.data)).fit()
    assert len(list((run_dir / "tensorboard").rglob("*.xplane.pb"))) == 1


def weights(model):
    return {name: variable.numpy() for name, variable in variable_names(model).items()}


def differing(one, other):
    return [name for name, value in one.items() if (value != other[name]).any()]


def test_everything_that_the_settings_switch_on_is_in_the_run(data_dir, tmp_path):
    flags = (*FEEDFORWARD, *EVERYTHING, f"--run_dir={tmp_path}", "--precision=float16")
    config = short_run(data_dir, *flags)
    dataset = catalog.open_dataset(config.data)
    run = trainer.Trainer(config, dataset)
    step = run.train_step
    assert (step.gradient_clip, step.average.decay, run.early_stopping.patience) == (1, 0.9, 9)
    assert step.rule.config.label_smoothing == 0.1
    weights = class_weights(config.learning, dataset)
    assert len(set(weights)) > 1 and step.objective.class_weights == weights
    assert [group.optimizer.weight_decay for group in step.groups] == [0.1]
    assert step.loss_scale is not None
    for model in (run.model, step.average.model):
        assert model.feature_extraction.compute_dtype == "float16"


def test_averaged_weights_are_evaluated_and_kept_and_loaded(data_dir, tmp_path):
    flags = (*FEEDFORWARD, "--weight_average=0.5", "--learning_rate=0.1", f"--run_dir={tmp_path}")
    config = short_run(data_dir, *flags)
    run = trainer.Trainer(config, catalog.open_dataset(config.data))
    evaluate, accuracies = run.evaluation.run, []

    def better_and_better(batches, evaluators):
        batches = list(batches)
        found = evaluate(batches, evaluators)["top1_by_locations"]
        others = Evaluation(run.average.model).run(batches, [Accuracy()])
        assert found == others["top1_by_locations"]
        accuracies.append(0.1 * (1 + len(accuracies)))
        return {"top1_by_locations": Curve(0, tuple(accuracies[-1:]))}

    run.evaluation.run = better_and_better
    run.fit()
    assert len(accuracies) == 2
    averages = weights(run.average.model)
    assert differing(averages, weights(run.model))
    for checkpoint in ("best", "last"):
        evaluation = dataclasses.replace(config.eval, checkpoint=checkpoint)
        model = load_model(dataclasses.replace(config, eval=evaluation))
        assert not differing(averages, weights(model))


def test_a_float16_run_that_skips_steps_resumes_exactly(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(LossScale, "INITIAL", 2.0**26)
    flags = (*FEEDFORWARD, *EVERYTHING, f"--run_dir={tmp_path}", "--train_steps=12")
    config = short_run(data_dir, *flags, "--precision=float16", "--checkpoint_every=6")
    dataset = catalog.open_dataset(config.data)
    trainer.Trainer(config, dataset).fit()
    undisturbed = saved_state(tmp_path)
    value = "/.ATTRIBUTES/VARIABLE_VALUE"
    assert 1 < undisturbed[f"loss_scale{value}"] < 2.0**26
    assert 0 < undisturbed[f"good_steps{value}"] < 12
    for file in (tmp_path / "checkpoints").glob("ckpt-12*"):
        file.unlink()
    resumed = trainer.Trainer(config, dataset)
    resumed.fit()
    assert not differing(undisturbed, saved_state(tmp_path))
    assert {weight.dtype for weight in resumed.model.weights} == {"float32"}
    # To those who use it, the network computes in float32.
    features, _ = load_model(config).feature_extraction(np.zeros((1, 32, 32, 3), np.float32))
    assert features.dtype == "float32"


def test_a_loss_scale_below_one_ends_the_run(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(LossScale, "INITIAL", 0.5)
    flags = (*FEEDFORWARD, f"--run_dir={tmp_path}", "--precision=float16", "--summary_every=1")
    config = short_run(data_dir, *flags)
    run = trainer.Trainer(config, catalog.open_dataset(config.data))
    with pytest.raises(UserError, match="lower --learning_rate, or use --precision=bfloat16"):
        run.fit()

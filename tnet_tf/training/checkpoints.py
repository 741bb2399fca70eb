"""What a run leaves on disk: resumable checkpoints, the best model, the settings.

    config.json      settings of the run
    checkpoints/     state of training: weights, optimisers, the rule's, step, best accuracy
    best.keras       the model that did best on the validation split

Every file is written beside its place and then moved there, so a crash or a full disk leaves the
last good one.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from tnet_tf import atomic_files
from tnet_tf.config import Config
from tnet_tf.config.setting import marked
from tnet_tf.errors import UserError, first_line
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.factory import build_model
from tnet_tf.models.weights.keras_file import load_keras
from tnet_tf.models.weights.names import variable_names
from tnet_tf.run import Run
from tnet_tf.training.checkpoint_files import last_checkpoint, read_everything
from tnet_tf.training.run_settings import (
    LEARNED,
    MEASURED,
    check_network,
    differences,
    read_settings,
)

_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"
_CLASSES = f"classes/{_VALUE}"
# State that runs of earlier versions have whatever their rule, and today's only where it is used.
_RETIRED = ("baseline",)
# What a checkpoint calls the weights, and their moving average where a run keeps one.
_WEIGHTS, _AVERAGE = "model", "average"


class Checkpoints:
    """Saves and restores the state of training.

    Args:
      run: whose state it is.
      model: the network; all its weights are saved, BatchNorm's moving averages too.
      optimizers: by the name of their group.
      average: a network with the moving average of the weights, if there is one.
      **state: further variables; everything is saved and restored together.
    """

    def __init__(
        self,
        run: Run,
        model: keras.Model,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        average: keras.Model | None = None,
        **state: tf.Variable,
    ):
        self.run = run
        last_checkpoint(run)  # The manager reads the same file, and fails on damage.
        of_optimizers = {
            name: {str(index): v.value for index, v in enumerate(optimizer.variables)}
            for name, optimizer in optimizers.items()
        }
        weights = {_WEIGHTS: _weights(model)}
        if average is not None:
            weights[_AVERAGE] = _weights(average)
        self.checkpoint = tf.train.Checkpoint(**weights, optimizers=of_optimizers, **state)
        self.manager = tf.train.CheckpointManager(
            self.checkpoint, str(run.checkpoints), max_to_keep=2
        )

    def restore(self) -> bool:
        """Restores the last checkpoint; returns whether there was one.

        Raises:
          UserError: when it can't be read or is of another network.
        """
        latest = last_checkpoint(self.run)
        if latest is None:
            return False
        read_everything(latest)
        try:
            self._take_in_retired(latest)
            self.checkpoint.restore(latest).assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"checkpoint {latest} does not fit this network ({first_line(error)}); use the "
                "settings it was made with, or another --run_dir"
            ) from error
        return True

    def _take_in_retired(self, latest: str) -> None:
        """Lets a run go on that has state which today's has not: it is kept, and without effect."""
        saved = tf.train.load_checkpoint(latest)
        for name in _RETIRED:
            if saved.has_tensor(f"{name}/{_VALUE}") and not hasattr(self.checkpoint, name):
                setattr(self.checkpoint, name, tf.Variable(0.0, trainable=False))

    def save(self, step: int) -> None:
        """Saves the state as the checkpoint of `step`.

        Raises:
          UserError: when it can't be written, for example on a full disk.
        """
        with self._writing("checkpoint"):
            self.manager.save(checkpoint_number=step)

    def save_best(self, model: keras.Model) -> None:
        """Saves the model as the best one.

        Raises:
          UserError: when it can't be written.
        """
        with self._writing("best model"), atomic_files.replacing(self.run.best) as file:
            model.save(file)

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        last = last_checkpoint(self.run) or "none yet"
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            raise UserError(
                f"the {what} could not be written to {self.run} ({first_line(error)}); free "
                "some space and repeat the command: it goes on from the last good checkpoint, "
                f"{last}"
            ) from error


def check_config(config: Config) -> Config | None:
    """Checks the settings against those of the run that the folder holds, if any.

    How long the run is remains to be checked, by `check_length`.

    Returns:
      The run's settings; None where the folder holds none.

    Raises:
      UserError: when it holds a run with other settings.
    """
    run = Run(config.train.run_dir)
    if not run.settings.is_file() or not run.checkpoints.is_dir():
        return None
    before = read_settings(run)
    others = _differences(before, config)
    if others:
        raise UserError(
            f"{run} holds a run with other settings: {'; '.join(others)}. Use the same "
            "settings to go on with it, or another --run_dir"
        )
    return before


def keep_config(config: Config) -> None:
    """Writes the settings beside the checkpoints.

    Raises:
      UserError: when the folder can't be written.
    """
    path = Run(config.train.run_dir).settings
    atomic_files.write(path, config.to_json().encode(), "--run_dir")


def load_model(config: Config) -> keras.Model:
    """The best or the last model of a finished or running run; of averaged weights, if it has them.

    Args:
      config: its `train.run_dir` and `eval.checkpoint` say which; its `model` settings must be
        those of the run.

    Raises:
      UserError: when there is no such model, it can't be read, or the settings differ.
    """
    run = Run(config.train.run_dir)
    trained = read_settings(run, MEASURED)
    check_network(trained, config)
    return _load_best(run) if config.eval.checkpoint == "best" else _load_last(run, trained)


def _load_best(run: Run) -> keras.Model:
    if not run.best.exists():
        raise UserError(
            f"{run} has no best model yet, since training stopped before its first "
            f"evaluation; {_instead(run)}"
        )
    try:
        model = load_keras(run.best)
    except ValueError as error:
        raise UserError(
            f"the best model of {run} can't be read: {error}; {_instead(run)}"
        ) from error
    if not isinstance(model, Classifier):
        raise UserError(f"{run.best} holds no network of this package but a {type(model).__name__}")
    return model


def _instead(run: Run) -> str:
    """What can be measured of a run that has no best model."""
    last = last_checkpoint(run)
    if last is None:
        return "there is no checkpoint either: repeat the train command"
    return f"--checkpoint=last takes the last state of training, {Path(last).name}"


def _load_last(run: Run, trained: Config) -> keras.Model:
    last = last_checkpoint(run)
    if last is None:
        raise UserError(
            f"{run} holds no checkpoint yet, since training stopped before its first; repeat "
            "the train command"
        )
    read_everything(last)
    try:
        classes = tf.train.load_checkpoint(last).get_tensor(_CLASSES)
        model = build_model(trained.model, int(classes))
        used = _AVERAGE if trained.train.weight_average else _WEIGHTS
        status = tf.train.Checkpoint(**{used: _weights(model)}).restore(last)
        status.assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"the last model of {run}, {last}, is not the network that its {run.settings.name} "
            f"describes: {first_line(error)}"
        ) from error
    return model


def _weights(model: keras.Model) -> dict[str, tf.Variable]:
    """All weights by name; TensorFlow by itself overlooks layers that a layer keeps in a list."""
    return {name: variable.value for name, variable in variable_names(model).items()}


def _differences(theirs: Config, ours: Config) -> list[str]:
    """What differs among the settings that decide what is learned."""
    return [
        f"--{name} was {before}, now {now}"
        for section in LEARNED
        for name, before, now in differences(getattr(theirs, section), getattr(ours, section))
        if name not in marked(getattr(ours, section), "may_change")
    ]

"""The settings that a run was made with, and how those of another command differ from them."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

from tnet_tf.config import Config
from tnet_tf.config.readers import READERS, of
from tnet_tf.config.setting import Part
from tnet_tf.errors import UserError, first_line
from tnet_tf.run import Run

# What decides what is learned; settings of an unknown name there can't be left out.
LEARNED = ("data", "model", "learning", "train")
# What decides which network it is and what images it sees.
MEASURED = ("data", "model")
# How many locations to attend is a choice of the call.
_OF_THE_CALL = of(Part.NOISE) | {"locations"}
# What a trained network may be measured on, other than it was trained for.
_CONDITIONS = READERS["evaluate"] - of(Part.SPEED)


def read_settings(run: Run, decisive: Collection[str] = LEARNED) -> Config:
    """The settings that a run was made with.

    Args:
      run: made earlier.
      decisive: the concerns in which no setting may be unknown.

    Raises:
      UserError: when the folder holds no run, or its settings can't be read.
    """
    path = run.settings
    if not path.is_file():
        raise UserError(f"--run_dir={run} holds no run; train one first with the same flags")
    try:
        return Config.from_json(path.read_text(), decisive)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a settings file of this version: {first_line(error)}; delete it and "
            "repeat the train command with the run's settings to have it written anew"
        ) from error


def of_run(config: Config, given: Collection[str]) -> Config:
    """The settings of the run in `train.run_dir`, with those that are given in their place.

    Tells in a line what it is measured on that is not the run's own.

    Args:
      config: where the given settings are, and --run_dir.
      given: their names; all others are the run's.

    Raises:
      UserError: when there is no such run, or settings are given that make it another network.
    """
    run_dir = config.train.run_dir
    trained = read_settings(Run(run_dir), MEASURED)
    sections = {
        name: dataclasses.replace(
            section, **{n: v for n, v in vars(getattr(config, name)).items() if n in given}
        )
        for name, section in vars(trained).items()
    }
    # The folder may lie elsewhere than when it was trained.
    sections["train"] = dataclasses.replace(trained.train, run_dir=run_dir)
    chosen = Config(**sections)
    check_network(trained, chosen)
    remarks = list(_other_conditions(trained, chosen))
    if remarks:
        print("; ".join(remarks), flush=True)
    return chosen


def check_network(trained: Config, config: Config) -> None:
    """Checks that settings describe the network of a run.

    Raises:
      UserError: names those that do not.
    """
    others = [
        f"--{name} was {before}, now {now}"
        for name, before, now in differences(trained.model, config.model)
        if name not in _OF_THE_CALL
    ]
    if others:
        raise UserError(f"{config.train.run_dir} holds another network: {'; '.join(others)}")


def differences(theirs: Any, ours: Any) -> Iterator[tuple[str, str, str]]:
    """Name and both values, as text, of each setting of a concern that differs."""
    for field in dataclasses.fields(theirs):
        before, now = getattr(theirs, field.name), getattr(ours, field.name)
        if before != now:
            yield field.name, _text(before), _text(now)


def _other_conditions(trained: Config, chosen: Config) -> Iterator[str]:
    """What is said of each setting that makes another measurement than the run's own."""
    for name, before, now in differences(trained.data, chosen.data):
        if name in _CONDITIONS:
            yield f"--{name}={now} differs from the run's {before or 'default'}"
    own, others = (c.eval.eval_locations or c.model.locations for c in (trained, chosen))
    if own != others:
        name = "eval_locations" if chosen.eval.eval_locations else "locations"
        yield f"--{name}={_text(others)} differs from the run's {_text(own)}"


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

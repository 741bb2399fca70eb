"""What a setting is, and how its value is checked."""

import dataclasses
import enum
import math
from typing import Any

from tnet_tf.errors import UserError


class Part(enum.Enum):
    """A part of a section that some commands read without the rest of it, or leave out."""

    FOLDER = "how records are made of a folder of images"
    TRAINING_IMAGES = "how training images are augmented and shuffled"
    SPEED = "how fast images are read; which ones stays the same"
    REGIONS = "what decides how small an image may be"
    NOISE = "noise of a network, which is off outside of training"
    PROGRESS = "how long a run is, what it leaves, and what it takes from the images of a dataset"


def setting(
    default: Any,
    help: str,
    choices: tuple[str, ...] = (),
    *,
    part: Part | None = None,
    usual: bool = False,
    sides: bool = False,
    may_change: bool = False,
) -> Any:
    """A dataclass field with all that is to be known of a setting.

    Args:
      default: its type is that of the setting.
      help: one or more sentences.
      choices: values that a string may take; empty: any.
      part: see tnet_tf/config/readers.py, which says which commands read it; None: the section's
        own settings.
      usual: whether many users set it: --help shows it before others of its section.
      sides: whether it is a height and a width, for which one number may stand.
      may_change: whether a run may go on with another value, since it does not change what is
        learned, or says how long the run is (see tnet_tf/training/continuation.py).
    """
    metadata = {
        "help": help,
        "choices": choices,
        "part": part,
        "usual": usual,
        "sides": sides,
        "may_change": may_change,
    }
    return dataclasses.field(default=default, metadata=metadata)


def marked(section: Any, mark: str) -> frozenset[str]:
    """Names of a section's settings of which a mark holds, such as 'may_change'."""
    return frozenset(f.name for f in dataclasses.fields(section) if f.metadata[mark])


def require(holds: bool, message: str) -> None:
    """Raises `UserError` with the message unless it holds."""
    if not holds:
        raise UserError(message)


def require_finite(settings: Any) -> None:
    """Raises `UserError` for a number among the settings that is infinite or none."""
    for name, value in vars(settings).items():
        require(
            not isinstance(value, float) or math.isfinite(value),
            f"--{name}={value} is not a finite number",
        )

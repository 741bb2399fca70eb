"""What a setting is, and how its value is checked."""

import dataclasses
import math
from typing import Any

from tnet_tf.errors import UserError


def setting(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help text and, for strings, the values it may take."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices})


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

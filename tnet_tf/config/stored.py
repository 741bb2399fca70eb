"""Settings as they are stored in JSON, such as a run's config.json."""

import dataclasses
import typing
import warnings
from collections.abc import Mapping
from typing import Any

from tnet_tf.errors import DoubtfulSettings

# Settings that had another name in earlier versions, by that name.
RENAMED = {"crop_area": "least_crop_area"}


def section(settings: type, values: Any, strict: bool = True) -> Any:
    """The settings of one concern.

    Args:
      settings: their dataclass.
      values: from JSON: by name, which may be an earlier one; those that are missing have their
        defaults.
      strict: whether unknown names are an error; else they are left out, with a warning.

    Raises:
      ValueError: for an unknown name, or a value that is not of the setting's type.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{values!r} is no settings by name")
    values = {RENAMED.get(name, name): value for name, value in values.items()}
    fields = {field.name: field for field in dataclasses.fields(settings)}
    unknown = [name for name in values if name not in fields]
    if unknown and strict:
        raise ValueError(f"there is no setting {unknown[0]!r}")
    if unknown:
        names = ", ".join(f"--{name}" for name in unknown)
        warnings.warn(
            f"stored settings that this version does not know are left out: {names}",
            DoubtfulSettings,
            stacklevel=3,
        )
    known = {name: _value(fields[name], values[name]) for name in values if name in fields}
    return settings(**known)


def _value(field: dataclasses.Field, stored: Any) -> Any:
    """The value of a setting, as `section` raises where it is none."""
    kind, choices = field.type, field.metadata["choices"]
    value: Any = stored
    if typing.get_origin(kind) is tuple:
        value = tuple(stored) if isinstance(stored, list) else ()
        good = isinstance(stored, list) and all(_is(typing.get_args(kind)[0], v) for v in value)
    else:
        good = _is(kind, stored)
    if not good or (choices and value not in choices):
        raise ValueError(f"{field.name} can't be {stored!r}")
    return value


def _is(kind: Any, value: Any) -> bool:
    """Whether a value from JSON is of a type; whole numbers are numbers, too."""
    kinds = (int, float) if kind is float else kind
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))

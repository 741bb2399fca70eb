"""The command line: one absl flag per setting of `tnet_tf.config`, and the only reader of FLAGS."""

import dataclasses
import typing
from collections.abc import Sequence

from absl import flags
from absl.testing import flagsaver

from tnet_tf.config import Config
from tnet_tf.errors import UserError

FLAGS = flags.FLAGS

# Settings that are a height and a width; one number stands for both.
_SIDES = ("image_size", "base_resolution")


def _sections() -> dict[str, type]:
    """The dataclass of each concern by its name in `Config`."""
    return typing.get_type_hints(Config)


def _define(section: str, field: dataclasses.Field) -> None:
    where: dict[str, typing.Any] = {"module_name": f"tnet_tf {section} settings"}
    name, default, text = field.name, field.default, field.metadata["help"]
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, list(field.metadata["choices"]), text, **where)
    elif isinstance(default, bool):
        flags.DEFINE_bool(name, default, text, **where)
    elif isinstance(default, int):
        flags.DEFINE_integer(name, default, text, **where)
    elif isinstance(default, float):
        flags.DEFINE_float(name, default, text, **where)
    elif isinstance(default, tuple):
        flags.DEFINE_list(name, [str(value) for value in default], text, **where)
    else:
        flags.DEFINE_string(name, default, text, **where)


for _section, _settings in _sections().items():
    for _field in dataclasses.fields(_settings):
        _define(_section, _field)


def parse(arguments: Sequence[str]) -> None:
    """Reads the command line (and its flag files).

    Args:
      arguments: as `sys.argv`, the program's name first.

    Raises:
      UserError: for an unknown flag, a malformed value, a missing flag file or a stray argument.
    """
    try:
        rest = FLAGS(list(arguments))
    except (flags.Error, OSError) as error:
        raise UserError(" ".join(str(error).removeprefix("ERROR:: ").split())) from error
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}: settings are given as --name=value")


def config_from_flags() -> Config:
    """The settings that the command line gives.

    Raises:
      UserError: for a list whose elements are not numbers.
    """
    values = {
        section: settings(**{f.name: _value(f) for f in dataclasses.fields(settings)})
        for section, settings in _sections().items()
    }
    return Config(**values)


def _value(field: dataclasses.Field) -> typing.Any:
    value = FLAGS[field.name].value
    if not isinstance(field.default, tuple):
        return value
    if field.type == tuple[str, ...]:
        return tuple(value)
    kind, what = (float, "numbers") if field.type == tuple[float, ...] else (int, "whole numbers")
    try:
        numbers = tuple(kind(number) for number in value)
    except ValueError:
        raise UserError(
            f"--{field.name}={','.join(value)} takes {what} separated by commas"
        ) from None
    return numbers * 2 if field.name in _SIDES and len(numbers) == 1 else numbers


def usage() -> str:
    """Help on every setting, by concern."""
    modules = [f"tnet_tf {section} settings" for section in _sections()]
    return "\n".join(FLAGS.module_help(name) for name in modules)


def read_config(*arguments: str) -> Config:
    """Settings from arguments as on the command line, without touching the process's own.

    Args:
      arguments: such as '--flagfile=experiments/demo.flags', '--run_dir=runs/mine'.

    Raises:
      UserError: as `parse` and `config_from_flags` do.
    """
    with flagsaver.flagsaver():
        for name in FLAGS:
            FLAGS[name].unparse()
        parse(["read_config", *arguments])
        return config_from_flags()

"""The command line: one absl flag per setting of `tnet_tf.config`, and the only reader of FLAGS."""

import dataclasses
import os
import stat
import typing
from collections.abc import Iterator, Sequence

from absl import flags
from absl.testing import flagsaver

from tnet_tf.config import Config
from tnet_tf.errors import UserError

FLAGS = flags.FLAGS

_FLAG_FILE = ("--flagfile", "-flagfile")
# Characters that a flag file has at most; ours have about a thousand.
_LONGEST_FLAG_FILE = 2**20


def _define(field: dataclasses.Field) -> None:
    name, default, text = field.name, field.default, field.metadata["help"]
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, list(field.metadata["choices"]), text)
    elif isinstance(default, bool):
        flags.DEFINE_bool(name, default, text)
    elif isinstance(default, int):
        flags.DEFINE_integer(name, default, text)
    elif isinstance(default, float):
        flags.DEFINE_float(name, default, text)
    elif isinstance(default, tuple):
        flags.DEFINE_list(name, [str(value) for value in default], text)
    else:
        flags.DEFINE_string(name, default, text)


for _field in Config.settings():
    _define(_field)


def parse(arguments: Sequence[str]) -> None:
    """Reads the command line (and its flag files).

    Args:
      arguments: as `sys.argv`, the program's name first.

    Raises:
      UserError: for an unknown flag, a malformed value, a stray argument, or a flag file that is
        missing, no text, or part of itself.
    """
    try:
        rest = FLAGS([arguments[0], *_with_flag_files(arguments[1:])])
    except flags.Error as error:
        raise UserError(" ".join(str(error).removeprefix("ERROR:: ").split())) from error
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}: settings are given as --name=value")


def _with_flag_files(arguments: Sequence[str], within: tuple[str, ...] = ()) -> Iterator[str]:
    """The arguments, with the lines of each flag file in the place of its name, as absl has them.

    Args:
      arguments: of the command line or of a flag file.
      within: the flag files that these arguments are in, outermost first.
    """
    rest = iter(arguments)
    for argument in rest:
        name, assigned, path = argument.partition("=")
        if name not in _FLAG_FILE:
            yield argument
            continue
        path = os.path.expanduser(path.strip() if assigned else next(rest, ""))
        if os.path.realpath(path) in within:
            raise UserError(
                f"--flagfile={path} includes itself; take that line out of {within[-1]}"
            )
        yield from _with_flag_files(_lines(path), (*within, os.path.realpath(path)))


def _lines(path: str) -> list[str]:
    """The settings of a flag file, without blank lines and comments."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise UserError(f"--flagfile={path} is not a file; give a text file of settings")
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(_LONGEST_FLAG_FILE + 1)
    except OSError as error:
        raise UserError(f"--flagfile={path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--flagfile={path} is not a text file of settings in UTF-8") from error
    if len(text) > _LONGEST_FLAG_FILE or "\0" in text:
        raise UserError(f"--flagfile={path} is not a text file of settings")
    lines = text.split("\n")
    return [line.strip() for line in lines if line.strip() and not line.startswith(("#", "//"))]


def typed(arguments: Sequence[str]) -> list[str]:
    """Names of the settings that stand on a command line itself, not in its flag files.

    Args:
      arguments: as `parse` takes them.
    """
    names = (a.lstrip("-").partition("=")[0] for a in arguments[1:] if a.startswith("-"))
    settings = set(_names())
    # `--noNAME` switches a setting off.
    positive = (name if name in settings else name.removeprefix("no") for name in names)
    return list(dict.fromkeys(name for name in positive if name in settings))


def given() -> set[str]:
    """Names of the settings that were parsed, from the command line or from flag files."""
    return {name for name in _names() if FLAGS[name].present}


def _names() -> list[str]:
    return [field.name for field in Config.settings()]


def config_from_flags() -> Config:
    """The settings that the command line gives.

    Raises:
      UserError: for a list whose elements are not numbers.
    """
    values = {
        section: settings(**{f.name: _value(f) for f in dataclasses.fields(settings)})
        for section, settings in Config.sections().items()
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
    return numbers * 2 if field.metadata["sides"] and len(numbers) == 1 else numbers


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

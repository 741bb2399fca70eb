"""What all commands share: flags in, exit code out, and one clear line for a user's mistake."""

import contextlib
import inspect
import io
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from tnet_tf import flags
from tnet_tf.config import Config
from tnet_tf.config.readers import READERS
from tnet_tf.config.usage import usage
from tnet_tf.errors import DoubtfulSettings, UserError, one_line
from tnet_tf.training.run_settings import of_run

Main = Callable[[Config], object]
_HELP = ("-h", "--help", "-help", "--helpshort", "-helpshort")
_FULL_HELP = ("--helpfull", "-helpfull")


AnyMain = TypeVar("AnyMain", bound=Main)


class _Command(NamedTuple):
    name: str
    """In `READERS`."""
    of_run: bool
    """Whether it works on a run, whose own settings hold."""


_COMMANDS: dict[Main, _Command] = {}


def named(name: str, of_run: bool = False) -> Callable[[AnyMain], AnyMain]:
    """Names a command, for `run` to know which settings it reads (decorates its main).

    Args:
      name: as in `READERS` of tnet_tf/config/readers.py.
      of_run: whether it works on the run in --run_dir, with the run's own settings where none are
        given.
    """

    def register(main: AnyMain) -> AnyMain:
        _COMMANDS[main] = _Command(name, of_run)
        return main

    return register


def run(main: Main) -> None:
    """Runs a command with the settings of the command line and exits.

    Args:
      main: the command; its docstring is what `--help` shows before the settings that it reads,
        and `--helpfull` before all of them. Unless it is `named`, it reads all.

    Exit codes: 0 done; 2 a user's mistake, told in one line on stderr; 130 interrupted, by SIGINT
    (Ctrl-C) or SIGTERM (kill, schedulers). `DoubtfulSettings` are told in one line, too.
    """
    _show_anything()
    command = _COMMANDS.get(main)
    if not {*_HELP, *_FULL_HELP}.isdisjoint(sys.argv[1:]):
        print(_help(main, full=not set(_FULL_HELP).isdisjoint(sys.argv[1:])))
        sys.exit(0)
    try:
        with _sigterm_interrupts(), _warnings_in_one_line():
            flags.parse(sys.argv)
            main(_config(command))
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        print(f"interrupted{f'; {interrupt}' if interrupt.args else ''}", file=sys.stderr)
        sys.exit(130)


def _help(main: Main, full: bool) -> str:
    """What a command does, the settings that it reads and, in full, those that it does not."""
    command = _COMMANDS.get(main)
    everything = frozenset(field.name for field in Config.settings())
    read = READERS[command.name] if command else everything
    paragraphs = [inspect.getdoc(main) or ""]
    if read:
        paragraphs.append("Settings, also from a file, --flagfile=experiments/NAME.flags:")
    if command and command.of_run:
        paragraphs.append("Settings that are not given are the run's own, not these defaults.")
    paragraphs.append(usage(read))
    if full and read != everything:
        paragraphs += ["Settings of other commands:", usage(everything - read)]
    elif read != everything:
        paragraphs.append("--helpfull shows the settings of other commands, too.")
    return "\n\n".join(filter(None, paragraphs))


def _config(command: _Command | None) -> Config:
    """The settings that a command works with, once flags are parsed."""
    config = flags.config_from_flags()
    if command is None:
        return config
    _check_read(command.name, flags.typed(sys.argv))
    return of_run(config, flags.given()) if command.of_run else config


def _check_read(command: str, typed: list[str]) -> None:
    """Refuses settings on the command line that would have no effect."""
    unread = [name for name in typed if name not in READERS[command]]
    if unread:
        readers = [c for c, names in READERS.items() if names.issuperset(unread)]
        whose = f", settings of {', '.join(readers)}" if readers else ""
        raise UserError(
            f"{command} does not read {', '.join(f'--{name}' for name in unread)}{whose}; leave "
            f"{'it' if len(unread) == 1 else 'them'} out"
        )


def _show_anything() -> None:
    """Lets stdout and stderr escape what they can't encode: class names, names of files."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Lets SIGTERM raise `KeyboardInterrupt`, as SIGINT does, which removes what is unfinished."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals are not ours to handle.
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Shows each `DoubtfulSettings` once, in the form of an error; other warnings as before."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_ours(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, DoubtfulSettings):
                print(f"warning: {one_line(str(message))}", file=sys.stderr)
            else:
                show(message, category, *where, **more)

        warnings.simplefilter("default", DoubtfulSettings)
        warnings.showwarning = show_ours
        yield

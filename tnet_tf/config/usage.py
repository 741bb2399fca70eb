"""Help on settings, as `--help` of a command shows it."""

import dataclasses
import inspect
import textwrap
from collections.abc import Collection
from typing import Any

from tnet_tf.config import Config

# Sections that say what a command does are shown before data and network.
_FIRST = ("benchmark", "export", "train", "eval", "robustness")
_COLUMNS = 100


def usage(names: Collection[str]) -> str:
    """Help on settings, section by section, the usual ones of each first.

    Args:
      names: of the settings to show.
    """
    sections = Config.sections()
    groups = []
    for name in [*_FIRST, *(name for name in sections if name not in _FIRST)]:
        fields = [field for field in dataclasses.fields(sections[name]) if field.name in names]
        fields.sort(key=lambda field: not field.metadata["usual"])
        if fields:
            what = inspect.cleandoc(sections[name].__doc__ or "").partition("\n")[0]
            title = textwrap.fill(f"{name} settings. {what}", _COLUMNS)
            groups.append("\n".join([title, *map(_entry, fields)]))
    return "\n\n".join(groups)


def _entry(field: dataclasses.Field) -> str:
    """A setting with its help, the values that it may take, and its default."""
    switch = "[no]" if isinstance(field.default, bool) else ""
    choices = f"<{'|'.join(field.metadata['choices'])}>: " if field.metadata["choices"] else ""
    lines = textwrap.wrap(
        f"--{switch}{field.name}: {choices}{field.metadata['help']}",
        _COLUMNS,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([*lines, f"    (default: {_text(field.default)})"])


def _text(default: Any) -> str:
    """A default as a command line would give it."""
    if isinstance(default, bool):
        return str(default).lower()
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return text or "empty"

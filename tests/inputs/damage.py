"""Ways in which the files of a prepared dataset get damaged, besides those of `tests.damage`."""

import json
import os
import pathlib
import random
import shutil
from collections.abc import Callable, Iterator
from typing import Any


def _garbage(path: pathlib.Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def _cut(path: pathlib.Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _replace(make: Callable[[pathlib.Path], Any]) -> Callable[[pathlib.Path], None]:
    def damage(path: pathlib.Path) -> None:
        path.unlink()
        make(path)

    return damage


# Of any file.
DAMAGES: dict[str, Callable[[pathlib.Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut in half": _cut,
    "cut by a byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": _garbage,
    "not UTF-8": lambda path: path.write_bytes(b"\xff" + path.read_bytes()[1:]),
    "missing": _replace(lambda path: None),
    "a folder": _replace(pathlib.Path.mkdir),
    "a dangling link": _replace(lambda path: path.symlink_to("nowhere")),
    "a pipe": _replace(os.mkfifo),
}

# Of a file of JSON, besides: well-formed, but not what it should be.
JSON_DAMAGES: dict[str, Callable[[pathlib.Path], Any]] = {
    name: lambda path, text=text: path.write_text(text)
    for name, text in {
        "null": "null",
        "a list": "[1, 2]",
        "a string": '"text"',
        "an empty object": "{}",
        "another object": '{"a": {"b": 1}}',
        "nested deeply": "[" * 100_000 + "]" * 100_000,
        "not a number": '{"version": NaN}',
    }.items()
}

_VALUES = (None, True, -1, 10**30, 0.5, "", "x", "{", [], [None], ["x"], {}, {"x": None})


def other_json(content: Any) -> Iterator[Any]:
    """The content with each of its parts left out, and in turn replaced by values of any type."""
    for keys in _paths(content):
        for value in (..., *_VALUES):
            changed = json.loads(json.dumps(content))
            part = changed
            for key in keys[:-1]:
                part = part[key]
            if value is ...:
                del part[keys[-1]]
            else:
                part[keys[-1]] = value
            yield changed


def _paths(content: Any) -> Iterator[tuple]:
    parts = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in parts:
        yield (key,)
        if isinstance(value, dict | list):
            yield from ((key, *rest) for rest in _paths(value))


def copy(folder: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    """A fresh copy of a folder in the place of what is there."""
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(folder, to)

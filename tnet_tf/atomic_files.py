"""Files and folders that are written whole or not at all: beside their place, then moved there."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tnet_tf.errors import UserError


def unfinished(path: Path) -> Path:
    """Where a file or folder is while it is being written; only a killed process leaves it."""
    return path.with_name(f"unfinished-{path.name}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Writes a file or a folder that is at its place once all of it is there, or never.

    Args:
      path: of the file or folder; a file takes the place of a file, a folder that of a folder.
        The folder above it is made if need be.

    Yields:
      Where to write it: a path beside its place, at which nothing is. What is there when the block
      ends is moved to its place; what is there when the block fails is removed.

    Raises:
      OSError: when it can't be written.
    """
    temporary = unfinished(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)  # The system lets nothing take the place of a folder with files.
        os.replace(temporary, path)
    finally:
        _remove(temporary)


def write(path: Path, content: bytes, flag: str = "") -> None:
    """Writes a file whole or not at all.

    Args:
      path: of the file.
      content: of the file.
      flag: the setting that chose the folder, for the error's line.

    Raises:
      UserError: when it can't be written.
    """
    with AtomicFile(path, flag) as file:
        file.write(content)


def write_all(folder: Path, files: Mapping[str, bytes], flag: str = "") -> None:
    """Writes files into a folder, each whole or not at all.

    Args:
      folder: made if need be.
      files: content by name.
      flag: the setting that chose the folder, for the error's line.

    Raises:
      UserError: when one can't be written.
    """
    for name, content in files.items():
        write(folder / name, content, flag)


class AtomicFile:
    """A file that is written bit by bit, see `replacing`.

    The folder and the unfinished file are made on entering, so that what can't be written is told
    before any work.

    Args:
      path: of the file.
      flag: the setting that chose the folder, for the error's line.

    Raises:
      UserError: on entering, writing or leaving, when it can't be written.
    """

    def __init__(self, path: Path, flag: str = ""):
        self.path, self.flag = path, flag

    def __enter__(self) -> Self:
        with errors_told(self.path, self.flag), contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            self._file = stack.enter_context(temporary.open("wb"))
            self._until_left = stack.pop_all()
        return self

    def write(self, content: bytes) -> None:
        """Appends to the file."""
        with errors_told(self.path, self.flag):
            self._file.write(content)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with errors_told(self.path, self.flag):
            self._until_left.__exit__(kind, error, traceback)


@contextlib.contextmanager
def errors_told(path: Path, flag: str = "") -> Iterator[None]:
    """Lets a file that can't be written be a user's mistake.

    Args:
      path: of the file.
      flag: the setting that chose the folder, for the error's line.

    Raises:
      UserError: for every `OSError` inside.
    """
    try:
        yield
    except OSError as error:
        elsewhere = f" or give another {flag}" if flag else ""
        raise UserError(
            f"{path} can't be written ({error.strerror or error}); free some space{elsewhere}"
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

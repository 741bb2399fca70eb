"""Goes through folders with links of any kind: no folder within itself, no file twice."""

import functools
import os
import pathlib
from typing import TypeAlias

from tqdm import tqdm

from tnet_tf.errors import UserError
from tnet_tf.inputs.builders import image_files

Splits: TypeAlias = dict[str, dict[str, list[str]]]
"""Of each split, of each class: the files, relative to the root, with '/', sorted."""


class Search:
    """Lists folders and images, and remembers what it leaves out.

    Args:
      root: files are named relative to it.
      progress: counts what is seen.

    Attributes:
      ignored: number of files that are hidden or have no image extension.
      repeated: links to folders that are looked through anyway.
      links: number of links of any kind.
    """

    def __init__(self, root: pathlib.Path, progress: tqdm):
        self._root = root
        self._progress = progress
        self.ignored = self.links = 0
        self.repeated: set[pathlib.Path] = set()

    def folders(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """The folders in a folder, sorted; not those that are hidden or lead back.

        Raises:
          UserError: the folder cannot be read, or has a link to nothing.
        """
        entries = self._entries(folder)
        for entry in entries:
            if entry.is_symlink() and not _is_hidden(entry) and not os.path.exists(entry.path):
                raise UserError(
                    f"{entry.path} is a link to {os.path.realpath(entry.path)}, which does not "
                    "exist or leads in circles; remove it"
                )
        return [path for entry in entries if (path := self._inner(entry))]

    def images(self, folder: pathlib.Path) -> list[str]:
        """The images of a class, at any depth, sorted; whatever is named like one is taken for one.

        Raises:
          UserError: a folder cannot be read.
        """
        images: list[str] = []
        pending, seen = [folder], set()
        while pending:
            parent = pending.pop()
            real = os.path.realpath(parent)
            if real in seen:
                self.repeated.add(parent)
                continue
            seen.add(real)
            for entry in self._entries(parent):
                if _is_folder(entry):
                    inner = self._inner(entry)
                    pending += [inner] if inner else []
                elif _is_hidden(entry) or not image_files.is_named_like_one(entry.name):
                    self.ignored += 1
                else:
                    images.append(pathlib.Path(entry.path).relative_to(self._root).as_posix())
        return sorted(images)

    def _inner(self, entry: os.DirEntry) -> pathlib.Path | None:
        """The folder that it is, if it is one to look through."""
        if not _is_folder(entry) or _is_hidden(entry):
            return None
        path = pathlib.Path(entry.path)
        if entry.is_symlink() and _leads_back(path):
            self.repeated.add(path)
            return None
        return path

    def _entries(self, folder: pathlib.Path) -> list[os.DirEntry]:
        try:
            with os.scandir(folder) as contents:
                entries = sorted(contents, key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(f"{folder} cannot be read: {error.strerror}") from error
        self._progress.update(len(entries))
        self.links += sum(entry.is_symlink() for entry in entries)
        return entries


def without_repetitions(root: pathlib.Path, splits: Splits) -> Splits:
    """Each file once in its class, however many links lead to it.

    Raises:
      UserError: a file is in two classes or splits.
    """
    real_folder = functools.cache(os.path.realpath)
    owners: dict[str, str] = {}

    def real_path(file: str) -> str:
        path = root / file
        if path.is_symlink():
            return os.path.realpath(path)
        return os.path.join(real_folder(path.parent), path.name)

    def once(files: list[str]) -> list[str]:
        first: dict[str, str] = {}
        for file in files:
            first.setdefault(real_path(file), file)
        for real, file in first.items():
            other = owners.setdefault(real, file)
            if other != file:
                raise UserError(
                    f"--folder={root}: {other} and {file} are one file; an image belongs to one "
                    "class of one split"
                )
        return list(first.values())

    return {
        split: {name: once(files) for name, files in classes.items()}
        for split, classes in splits.items()
    }


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in circles
        return False


def _is_hidden(entry: os.DirEntry) -> bool:
    return entry.name.startswith(".")


def _leads_back(link: pathlib.Path) -> bool:
    """Whether a link leads to a folder that it lies in."""
    real = os.path.realpath(link)
    return os.path.commonpath([real, os.path.realpath(link.parent)]) == real

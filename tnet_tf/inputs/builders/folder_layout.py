"""What is in a folder of images: splits, classes, files."""

import hashlib
import os
import pathlib
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs.builders import image_files, misplaced_images

SPLIT_NAMES = ("train", "validation", "val", "valid", "test")


class Layout(NamedTuple):
    """The images of a folder."""

    root: pathlib.Path
    splits: dict[str, dict[str, list[str]]]
    """Of each split, of each class: the files, relative to the root, with '/', sorted."""
    ignored: int
    """Files left out because they are hidden or have no image extension."""

    @property
    def classes(self) -> list[str]:
        """Names of the classes, sorted."""
        return list(self.splits["train"])

    def files(self) -> Iterator[str]:
        """All images of all splits."""
        for classes in self.splits.values():
            for files in classes.values():
                yield from files

    def fingerprint(self) -> str:
        """Changes when a file comes, goes, or changes its size; reads no file."""
        digest = hashlib.sha256()
        for file in self.files():
            digest.update(f"{file}\0{os.path.getsize(self.root / file)}\n".encode())
        return digest.hexdigest()


def scan(root: pathlib.Path) -> Layout:
    """Finds the images of root/<split>/<class>/* or root/<class>/*, at any depth below a class.

    Args:
      root: the folder. It has splits if it has a folder `train` with classes in it; the others are
        `validation` (or `val`, `valid`) and `test`.

    Raises:
      UserError: the folder is missing or has no images, or those of a single class; the classes of
        its splits differ; a class has nothing to train on.
    """
    if not root.is_dir():
        raise UserError(f"--folder={root} is not a folder")
    folders = _folders(root)
    if any(_folders(folder) for folder in folders if folder.name == "train"):
        split_folders = {folder.name: folder for folder in folders if folder.name in SPLIT_NAMES}
    elif folders and all(folder.name in SPLIT_NAMES for folder in folders):
        raise UserError(
            f"--folder={root} has no folder train with a folder for each class: "
            + (misplaced_images.where_loose(folders) or f"it has {_names(folders)}")
        )
    else:
        split_folders = {"train": root}
    splits, ignored = {}, 0
    for name, folder in sorted(split_folders.items()):
        splits[name], skipped = _classes(root, folder)
        ignored += skipped
    layout = Layout(root, splits, ignored)
    _check(layout, split_folders)
    _tell_what_is_left_out(root, folders, split_folders)
    return layout


def _folders(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _names(folders: list[pathlib.Path]) -> str:
    return ", ".join(folder.name for folder in folders)


def _classes(root: pathlib.Path, folder: pathlib.Path) -> tuple[dict[str, list[str]], int]:
    classes, ignored = {}, 0
    for class_folder in _folders(folder):
        files, skipped = _images(root, class_folder)
        classes[class_folder.name] = files
        ignored += skipped
    return classes, ignored


def _images(root: pathlib.Path, folder: pathlib.Path) -> tuple[list[str], int]:
    images, ignored = [], 0
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = pathlib.Path(parent, name)
            if name.startswith(".") or path.suffix.lower() not in image_files.EXTENSIONS:
                ignored += 1
            else:
                images.append(path.relative_to(root).as_posix())
    return sorted(images), ignored


def _check(layout: Layout, split_folders: dict[str, pathlib.Path]) -> None:
    root, splits = layout.root, layout.splits
    if not any(layout.files()):
        raise UserError(
            f"--folder={root} has no images in <split>/<class>/* or <class>/* "
            f"({', '.join(image_files.EXTENSIONS)}): "
            + (
                misplaced_images.where_loose([root, *split_folders.values()])
                or misplaced_images.endings(root)
            )
        )
    for name, classes in splits.items():
        for more, fewer in (("train", name), (name, "train")):
            missing = sorted(set(splits[more]) - set(splits[fewer]))
            if missing:
                raise UserError(
                    f"--folder={root}: class {missing[0]!r} is in {more} but not in {fewer}"
                    + (f" (and {len(missing) - 1} more)" if missing[1:] else "")
                )
        if not any(classes.values()):
            raise UserError(f"--folder={root}: {name} has no images")
    for name, files in splits["train"].items():
        if not files:
            raise UserError(f"--folder={root}: class {name!r} has no image to train on")
    if len(layout.classes) == 1:
        ((name, files),) = splits["train"].items()
        why = misplaced_images.in_one_class(
            split_folders["train"] / name, [root / file for file in files]
        )
        raise UserError(f"--folder={root} has one class only, {name!r}: {why}")


def _tell_what_is_left_out(
    root: pathlib.Path, folders: list[pathlib.Path], split_folders: dict[str, pathlib.Path]
) -> None:
    """Warns of images in no class's folder, and of folders beside the splits."""
    left_out = [misplaced_images.where_loose([root, *split_folders.values()])]
    others = [folder for folder in folders if folder.name not in split_folders]
    if others and root not in split_folders.values():
        left_out.append(f"{_names(others)} are none of the splits {', '.join(SPLIT_NAMES)}")
    for what in filter(None, left_out):
        warnings.warn(f"--folder={root}: left out: {what}", DoubtfulSettings, stacklevel=3)

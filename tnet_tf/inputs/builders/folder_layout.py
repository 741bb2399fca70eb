"""What is in a folder of images: splits, classes, files."""

import hashlib
import pathlib
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from tqdm import tqdm

from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs.builders import folder_search, image_files, misplaced_images
from tnet_tf.inputs.builders.folder_search import Search, Splits

SPLIT_NAMES = ("train", "validation", "val", "valid", "test")


class Layout(NamedTuple):
    """The images of a folder."""

    root: pathlib.Path
    splits: Splits
    """Of each split, of each class: the files, relative to the root, with '/', sorted."""
    ignored: int
    """Files left out because they are hidden or have no image extension."""
    repeated: int
    """Links left out because what they lead to is there anyway."""

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
            digest.update(f"{file}\0{_bytes(self.root / file)}\n".encode())
        return digest.hexdigest()


def scan(root: pathlib.Path) -> Layout:
    """Finds the images of root/<split>/<class>/* or root/<class>/*, at any depth below a class.

    Links are followed, but no file is taken twice, and no folder within itself. What has an image's
    extension is taken for one, whether it can be read or not.

    Args:
      root: the folder. It has splits if it has a folder `train` with classes in it; the others are
        `validation` (or `val`, `valid`) and `test`.

    Raises:
      UserError: the folder is missing or has no images, or those of a single class; a part of it
        cannot be read; the classes of its splits differ; a class has nothing to train on; a name
        cannot be stored; a file is in two classes or splits.
    """
    if not root.is_dir():
        raise UserError(f"--folder={root} is not a folder")
    with tqdm(desc=f"looking through {root}", unit=" files", delay=1, leave=False) as progress:
        search = Search(root, progress)
        folders = search.folders(root)
        split_folders = _split_folders(search, root, folders)
        splits = {
            name: {inner.name: search.images(inner) for inner in search.folders(folder)}
            for name, folder in sorted(split_folders.items())
        }
    layout = Layout(root, splits, search.ignored, len(search.repeated))
    _check(layout, split_folders)
    _check_names(layout)
    _tell_what_is_left_out(root, folders, split_folders)
    return _each_file_once(layout) if search.links else layout


def _split_folders(
    search: Search, root: pathlib.Path, folders: list[pathlib.Path]
) -> dict[str, pathlib.Path]:
    """Where the classes of each split lie, of the folders in the root."""
    if any(search.folders(folder) for folder in folders if folder.name == "train"):
        return {folder.name: folder for folder in folders if folder.name in SPLIT_NAMES}
    if folders and all(folder.name in SPLIT_NAMES for folder in folders):
        raise UserError(
            f"--folder={root} has no folder train with a folder for each class: "
            + (misplaced_images.where_loose(folders) or f"it has {_names(folders)}")
        )
    return {"train": root}


def _each_file_once(layout: Layout) -> Layout:
    splits = folder_search.without_repetitions(layout.root, layout.splits)
    once = layout._replace(splits=splits)
    left_out = sum(1 for _ in layout.files()) - sum(1 for _ in once.files())
    return once._replace(repeated=layout.repeated + left_out)


def _bytes(path: pathlib.Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a link to nothing
        return -1


def _names(folders: list[pathlib.Path]) -> str:
    return ", ".join(folder.name for folder in folders)


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


def _check_names(layout: Layout) -> None:
    """Classes are stored as the lines of a file, without spaces at their ends, and all in UTF-8."""
    for name in layout.classes:
        if name.splitlines() != [name.strip()]:
            raise UserError(
                f"--folder={layout.root}: the folder of class {name!r} has a line break in its "
                "name, or a space at an end of it; rename it"
            )
    for file in layout.files():
        try:
            file.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"--folder={layout.root}: the name of {file} is not UTF-8; rename it"
            ) from error


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

"""Where the images of a folder lie when they are not in a folder for each class."""

import collections
import os
import pathlib
from collections.abc import Iterable, Sequence

from tnet_tf.inputs.builders import image_files

_SHOWN = 4


def loose_images(folder: pathlib.Path) -> int:
    """Number of images in a folder itself, in none of its folders."""
    return sum(
        not name.startswith(".")
        and image_files.is_named_like_one(name)
        and os.path.isfile(folder / name)
        for name in os.listdir(folder)
    )


def where_loose(folders: Iterable[pathlib.Path]) -> str:
    """Which of some folders has images that lie in no class's folder; '' if none has."""
    for folder in folders:
        count = loose_images(folder)
        if count:
            return f"{count} images lie in {folder} itself; put them into {folder}/<class>/"
    return ""


def endings(root: pathlib.Path) -> str:
    """What kinds of files a folder has, by the endings of their names."""
    files = collections.Counter(
        pathlib.Path(name).suffix.lower() or "without ending"
        for _, _, names in os.walk(root)
        for name in names
    )
    kinds = ", ".join(f"{count} {ending}" for ending, count in files.most_common(_SHOWN))
    return f"its {files.total()} files are {kinds}" if files else "it holds no files"


def in_one_class(class_folder: pathlib.Path, files: Sequence[pathlib.Path]) -> str:
    """Why all images are of one class, and where the classes may be instead.

    Args:
      class_folder: the only one.
      files: its images, one or more.
    """
    below = [file.relative_to(class_folder).parts for file in files]
    folders = sorted({parts[0] for parts in below})
    if any(len(parts) == 1 for parts in below):
        return "a classifier needs two or more"
    more = f" and {len(folders) - _SHOWN} more" if folders[_SHOWN:] else ""
    return (
        f"its images lie in folders of their own, {', '.join(folders[:_SHOWN])}{more}; if these "
        f"are the classes or splits, give --folder={class_folder}"
    )

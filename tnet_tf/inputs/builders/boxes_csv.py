"""Bounding boxes of images from a CSV file."""

import csv
import math
import pathlib
from collections.abc import Iterable

from tnet_tf.errors import UserError

# Names a column may have, after `_plain`: lower case without underscores and without "_px".
_COLUMNS = {
    "file": ("file", "filename", "path", "image"),
    "x_min": ("xmin",),
    "y_min": ("ymin",),
    "x_max": ("xmax",),
    "y_max": ("ymax",),
}

# Of fMoW's boxes, some stick out of their image by a pixel.
_SLACK = 1
_TINY = 2

PixelBox = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the upright image."""


def read(path: pathlib.Path, files: Iterable[str]) -> dict[str, list[PixelBox]]:
    """Reads the boxes of images, one a row, any number for each image.

    Args:
      path: CSV with a header: file,x_min,y_min,x_max,y_max. 'xmin' and 'xmin_px' are understood
        as well.
      files: the images that exist, as the column `file` names them.

    Raises:
      UserError: the file is missing or not a regular one, lacks a column, has a row that is no box,
        the same box twice for one image or a box for an image that does not exist.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"--boxes_csv={path} is not a regular file")
    known = set(files)
    boxes: dict[str, list[PixelBox]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = _columns(path, reader.fieldnames or ())
            for row in reader:
                file, box = _box(row, columns, f"{path} line {reader.line_num}")
                if box in boxes.get(file, ()):
                    raise UserError(
                        f"{path} line {reader.line_num}: {file} has this box already; give each "
                        "box once"
                    )
                if file not in known:
                    raise UserError(
                        f"{path} line {reader.line_num}: {file} is not among the images"
                    )
                boxes.setdefault(file, []).append(box)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--boxes_csv={path} cannot be read: {error}") from error
    return boxes


def relative(box: PixelBox, height: int, width: int, file: str) -> tuple[float, ...]:
    """The box as fractions: y_min, x_min, y_max, x_max.

    A box of no height or width, which data sets do have, is kept and counts as none. What sticks
    out of the image by up to a pixel is clipped.

    Raises:
      UserError: the box is not inside the image, or is turned around.
    """
    x_min, y_min, x_max, y_max = box
    turned = x_min > x_max or y_min > y_max
    outside = max(-x_min, -y_min, x_max - width, y_max - height)
    if turned or outside > _SLACK:
        raise UserError(
            f"{file}: box x {x_min:g} to {x_max:g}, y {y_min:g} to {y_max:g} is not a box inside "
            f"the image of {width} x {height} pixels"
        )
    fractions = y_min / height, x_min / width, y_max / height, x_max / width
    return tuple(min(max(fraction, 0.0), 1.0) for fraction in fractions)


def is_tiny(box: PixelBox) -> bool:
    """Whether a box is at most 2 pixels high or wide; fMoW's published baseline drops these."""
    x_min, y_min, x_max, y_max = box
    return min(x_max - x_min, y_max - y_min) <= _TINY


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix("_px").replace("_", "")


def _columns(path: pathlib.Path, header: Iterable[str]) -> dict[str, str]:
    names = {_plain(name): name for name in header if name}
    columns = {
        column: names[alias]
        for column, aliases in _COLUMNS.items()
        for alias in aliases
        if alias in names
    }
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise UserError(
            f"{path} has no column {', '.join(missing)}; it needs file,x_min,y_min,x_max,y_max"
        )
    return columns


def _box(row: dict[str, str], columns: dict[str, str], where: str) -> tuple[str, PixelBox]:
    try:
        x_min, y_min, x_max, y_max = (
            float(row[columns[name]]) for name in ("x_min", "y_min", "x_max", "y_max")
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: x_min, y_min, x_max and y_max must be numbers") from error
    if not all(map(math.isfinite, (x_min, y_min, x_max, y_max))):
        raise UserError(f"{where}: x_min, y_min, x_max and y_max must be finite numbers")
    file = row[columns["file"]]
    if not file:  # None where the row ends before.
        raise UserError(f"{where}: the column file is empty; it names the image")
    return file.strip(), (x_min, y_min, x_max, y_max)

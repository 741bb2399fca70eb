"""Results of an evaluation as a table to read and as JSON to compute with."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tnet_tf.errors import UserError

_BY_LOCATIONS = "_by_locations"
_HEADINGS = {
    "gflops": "GFLOPs",
    "top1": "top-1 %",
    "top5": "top-5 %",
    "top1_attended_only": "top-1 % attended only",
    "top5_attended_only": "top-5 % attended only",
}


def to_text(report: Mapping[str, Any]) -> str:
    """The report for a terminal: what was measured, and the table of results.

    Args:
      report: what `tnet_tf.evaluate` returns.
    """
    height, width = report["image_size"]
    return (
        f"{report['model']} ({report['backbone']}, {report['parameters']:,} parameters), "
        f"{report['checkpoint']} model of {report['run_dir']}\n"
        f"{report['dataset']}, split {report['split']}: {report['images']} images of "
        f"{height} x {width} px\n\n{table(report)}\n"
    )


def to_json(report: Mapping[str, Any]) -> str:
    """The report as JSON, readable and stable.

    Raises:
      ValueError: for a value that is not finite, which JSON can't hold.
    """
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def table(report: Mapping[str, Any]) -> str:
    """Everything that depends on the number of locations, one row for each number.

    Args:
      report: lists by names that end in `_by_locations`: GFLOPs as they are, all others shares
        in [0, 1], shown in percent. The longest start at 0 locations, shorter ones at 1. Other
        entries are left out.

    Returns:
      Lines of equal width, for a terminal; '-' where there is no value.
    """
    columns = {
        name.removesuffix(_BY_LOCATIONS): values
        for name, values in report.items()
        if name.endswith(_BY_LOCATIONS)
    }
    rows = max(map(len, columns.values()), default=0)
    texts = [["locations", *map(str, range(rows))]]
    texts += [[_heading(name), *_cells(name, values, rows)] for name, values in columns.items()]
    return "\n".join(aligned(list(zip(*texts, strict=True))))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def write(path: Path, content: bytes, flag: str = "--report_dir") -> None:
    """Writes a file whole or not at all, and makes its folder.

    Args:
      path: of the file.
      content: of the file.
      flag: the setting that chose the folder, for the error's line.

    Raises:
      UserError: when it can't be written.
    """
    temporary = path.with_name(f"unfinished-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} can't be written ({error.strerror or error}); free some space or give "
            f"another {flag}"
        ) from error


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " ") + " %")


def _cells(name: str, values: Sequence[float], rows: int) -> list[str]:
    scale = 1 if name == "gflops" else 100
    # A list as long as the table starts at 0 locations; what attention alone decides, at 1.
    before = 0 if len(values) == rows else 1
    cells = ["-"] * before + [f"{scale * value:.2f}" for value in values]
    return cells + ["-"] * (rows - len(cells))

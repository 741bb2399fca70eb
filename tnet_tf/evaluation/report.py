"""Results of an evaluation as a table to read and as JSON to compute with."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tnet_tf.evaluation import calibration, class_report, gaze_baselines
from tnet_tf.evaluation.tables import BY_LOCATIONS, aligned, heading

REPORT = "report.json"


def to_text(report: Mapping[str, Any]) -> str:
    """The report for a terminal: what was measured, and the table of results.

    Args:
      report: what `tnet_tf.evaluate` returns.
    """
    height, width = report["image_size"]
    header = (
        f"{report['model']} ({report['backbone']}, {report['parameters']:,} parameters), "
        f"{report['checkpoint']} model of {report['run_dir']}\n"
        f"{report['dataset']}, split {report['split']}: {report['images']} images of "
        f"{height} x {width} px"
    )
    sections = {
        "gaze_baselines": lambda: gaze_baselines.to_text(report),
        "classes": lambda: class_report.to_text(report),
        "calibration": lambda: calibration.to_text(report["calibration"]),
    }
    parts = [section() for name, section in sections.items() if name in report]
    return "\n\n".join([header, table(report), *parts]) + "\n"


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
        name.removesuffix(BY_LOCATIONS): values
        for name, values in report.items()
        if name.endswith(BY_LOCATIONS)
    }
    rows = max(map(len, columns.values()), default=0)
    texts = [["locations", *map(str, range(rows))]]
    texts += [[heading(name), *_cells(name, values, rows)] for name, values in columns.items()]
    return "\n".join(aligned(list(zip(*texts, strict=True))))


def _cells(name: str, values: Sequence[float], rows: int) -> list[str]:
    scale = 1 if name == "gflops" else 100
    # A list as long as the table starts at 0 locations; what attention alone decides, at 1.
    before = 0 if len(values) == rows else 1
    cells = ["-"] * before + [f"{scale * value:.2f}" for value in values]
    return cells + ["-"] * (rows - len(cells))

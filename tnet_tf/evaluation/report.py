"""Results of an evaluation as a table to read and as JSON to compute with."""

from collections.abc import Iterable, Iterator

from tnet_tf.evaluation import calibration, class_report, gaze_baselines
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.evaluation.tables import aligned, heading

REPORT = "report.json"


def to_text(report: Results) -> str:
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


def table(report: Results) -> str:
    """Everything that depends on the number of locations, one row for each number.

    Args:
      report: its curves are shown: GFLOPs as they are, all others shares in [0, 1], in percent.

    Returns:
      Lines of equal width, for a terminal; '-' where there is no value.
    """
    curves = report.curves
    counts = range(max((curve.counts.stop for curve in curves.values()), default=0))
    texts = [["locations", *map(str, counts)]]
    texts += [[heading(name), *_cells(name, curve, counts)] for name, curve in curves.items()]
    return "\n".join(aligned(list(zip(*texts, strict=True))))


def _cells(name: str, curve: Curve, counts: Iterable[int]) -> Iterator[str]:
    scale = 1 if name == "gflops" else 100
    for count in counts:
        value = curve.at(count)
        yield "-" if value is None else f"{scale * value:.2f}"

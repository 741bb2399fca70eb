"""Robustness of one or several networks as tables to read and as curves (MGNet paper, 4.1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tnet_tf.config.robustness import ATTACKS
from tnet_tf.errors import UserError
from tnet_tf.evaluation.figures import COLOURS, png
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.evaluation.tables import aligned
from tnet_tf.run import Run

REPORT = "robustness.json"
CLEAN = "clean"
# What a report has at least.
_NEEDED = {"run_dir", "model", "backbone", "dataset", "split", "gflops_by_locations", "settings"}
_NEEDED |= {"trials"}
_TOP1, _GAZE = "top1_by_locations", "gaze_overlap_by_locations"
_CLEAN_TOP1 = "clean_top1_by_locations"
_UNITS = {"pixels": "the range of pixels", "standardised": "ImageNet's deviation of each channel"}


def read(folder: str) -> Results:
    """The report that `tnet_tf.evaluate` left of a network.

    Args:
      folder: of the report, as --compare has it.

    Raises:
      UserError: when there is none that can be read.
    """
    try:
        results = Results.from_json((Path(folder) / REPORT).read_text())
        if not _NEEDED.issubset(results):
            raise ValueError("it is no report of robustness")
        return results
    except (OSError, ValueError) as error:
        raise UserError(
            f"--compare={folder} has no {REPORT} that can be read; make it by evaluate with "
            "--corruptions or --attack"
        ) from error


def to_text(reports: Sequence[Results]) -> str:
    """Tables for a terminal: corruptions as in table 2 of the MGNet paper, then attacks.

    Args:
      reports: what `tnet_tf.robustness.trials.measure` returns, one for each network.
    """
    parts = [_settings(report) for report in reports]
    names = list(dict.fromkeys(name for report in reports for name in _corruptions(report)))
    if names:
        parts += [
            "top-1 % under corruptions, mean over severities",
            _corruption_table(reports, names, _TOP1),
        ]
        gaze = _corruption_table(reports, names, _GAZE)
        if gaze:
            parts += ["overlap % of what is attended with and without the corruption", gaze]
    if any(_attacked(report, name) for report in reports for name in ATTACKS):
        parts += ["top-1 % under attacks, and overlap % of the gaze", _attack_table(reports)]
    return "\n\n".join(parts) + "\n"


def plot(reports: Sequence[Results]) -> bytes:
    """A PNG: top-1 by severity, and by the strength of every attack (figure 4).

    All are after the last location. Below them the overlap of the gaze with that on the images as
    they are, where there is any.

    Args:
      reports: see `to_text`.
    """
    columns = _columns(reports)
    looks = any(_GAZE in trial for report in reports for trial in report["trials"])
    rows = [(_TOP1, "top-1 (%)"), (_GAZE, "gaze overlap (%)")][: 2 if looks else 1]
    figure = Figure(figsize=(4.2 * len(columns), 3.4 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes_row, (measure, heading) in zip(grid, rows, strict=True):
        for axes, column in zip(axes_row, columns, strict=True):
            for order, report in enumerate(reports):
                style = {"color": COLOURS[order % len(COLOURS)], "label": _label(report, reports)}
                _draw(axes, report, column, measure, style)
            axes.set(xlabel=_strength_of(column), ylabel=heading, ylim=(0, 103))
            axes.set_title(_title(column, reports), fontsize=10)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    return png(figure)


def _settings(report: Results) -> str:
    attack = report["settings"]
    described = ", ".join(
        [
            f"epsilon {attack['attack_epsilon']:g}/255",
            f"step {attack['attack_step_size']:g}/255 of {_UNITS[_units(report)]}",
            "random start" if attack["attack_random_start"] else "no random start",
            "clipped" if attack["attack_clip"] else "not clipped",
        ]
    )
    lines = [
        f"{report['run_dir']}: {report['model']} ({report['backbone']}), "
        f"{report['trials'][0]['images']} images of {report['dataset']}, split {report['split']}"
    ]
    attacked = [trial for trial in report["trials"] if trial["name"] in ATTACKS]
    if attacked:
        lines.append(f"  attacks on {attacked[0]['images']} of them: {described}")
    return "\n".join(lines)


def _units(report: Results) -> str:
    """What epsilon is in; a report that does not say is of pixels."""
    return report["settings"].get("attack_units", "pixels")


def _epsilon(report: Results) -> str:
    return f"{report['settings']['attack_epsilon']:g}/255 {_units(report)}"


def _corruptions(report: Results) -> list[str]:
    names = (t["name"] for t in report["trials"] if t["name"] not in (*ATTACKS, CLEAN))
    return list(dict.fromkeys(names))


def _attacked(report: Results, name: str) -> list[Results]:
    return [trial for trial in report["trials"] if trial["name"] == name]


def _corruption_table(reports: Sequence[Results], names: Sequence[str], measure: str) -> str:
    """A row for every network and number of locations, a column for every corruption."""
    table = [("network", "locations", "GFLOPs", CLEAN, "average", *names)]
    for report in reports:
        means = [_mean(_attacked(report, name), measure) for name in names]
        known = [curve for curve in means if curve is not None]
        if not known:
            continue
        average = Curve.mean(known)
        curves = [report["trials"][0].get(measure), average, *means]
        for count in average.counts:
            gflops = f"{report['gflops_by_locations'].at(count):.4f}"
            cells = (_percent(curve, count) for curve in curves)
            table.append((report["run_dir"], str(count), gflops, *cells))
    return "\n".join(aligned(table)) if len(table) > 1 else ""


def _mean(trials: Sequence[Results], measure: str) -> Curve | None:
    curves = [trial[measure] for trial in trials if measure in trial]
    return Curve.mean(curves) if curves else None


def _percent(curve: Curve | None, count: int) -> str:
    """The share after so many locations; '-' where there is none."""
    share = None if curve is None else curve.at(count)
    return "-" if share is None else f"{100 * share:.1f}"


def _attack_table(reports: Sequence[Results]) -> str:
    """A row for every network and attack, columns by the number of locations."""
    counts = range(max(t[_TOP1].counts.stop for report in reports for t in report["trials"]))
    table = [("network", "attack", "epsilon", "strength", *map(str, counts), "gaze overlap")]
    for report in reports:
        attacked = [trial for trial in report["trials"] if trial["name"] in ATTACKS]
        unharmed = [(CLEAN, "-", trial[_CLEAN_TOP1], "-") for trial in attacked[:1]]
        for name, strength, top1, gaze in (*unharmed, *map(_attack_row, attacked)):
            cells = (_percent(top1, count) for count in counts)
            epsilon = "-" if name == CLEAN else _epsilon(report)
            table.append((report["run_dir"], name, epsilon, strength, *cells, gaze))
    return "\n".join(aligned(table))


def _attack_row(trial: Results) -> tuple[str, str, Curve, str]:
    gaze = f"{100 * trial[_GAZE].last:.1f}" if _GAZE in trial else "-"
    return trial["name"], str(trial["strength"]), trial[_TOP1], gaze


def _columns(reports: Sequence[Results]) -> list[str]:
    """What the curves are of: corruptions together, and every attack."""
    corrupted = ["corruptions"] if any(map(_corruptions, reports)) else []
    return [*corrupted, *(n for n in ATTACKS if any(_attacked(r, n) for r in reports))]


def _title(column: str, reports: Sequence[Results]) -> str:
    """What the curves are of, and the budgets of an attack."""
    budgets = _budgets(reports, (column,))
    return f"{column}, epsilon {' and '.join(budgets)}" if budgets else column


def _label(report: Results, reports: Sequence[Results]) -> str:
    """The network's name, and its budget where not all have the same."""
    name = Run(report["run_dir"]).name
    own = _budgets([report], ATTACKS)
    return ", epsilon ".join([name, *own]) if len(_budgets(reports, ATTACKS)) > 1 else name


def _budgets(reports: Sequence[Results], attacks: Sequence[str]) -> list[str]:
    """The budgets that any of these attacks had, each once."""
    return list(dict.fromkeys(_epsilon(r) for r in reports for n in attacks if _attacked(r, n)))


def _strength_of(column: str) -> str:
    return {"corruptions": "severity", "square": "queries"}.get(column, "steps")


def _draw(axes: Axes, report: Results, column: str, measure: str, style: dict[str, Any]) -> None:
    """One network's curve; strength 0 is the image as it is."""
    names = _corruptions(report) if column == "corruptions" else [column]
    trials = [trial for trial in report["trials"] if trial["name"] in names]
    strengths = sorted({trial["strength"] for trial in trials if measure in trial})
    if not strengths:
        return
    means = [
        float(np.mean([t[measure].last for t in trials if t["strength"] == strength]))
        for strength in strengths
    ]
    clean = trials[0][_CLEAN_TOP1].last if measure == _TOP1 else 1.0
    axes.plot(
        [0, *strengths],
        [100 * clean, *(100 * m for m in means)],
        marker="o",
        **style,
    )

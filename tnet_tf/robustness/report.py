"""Robustness of one or several networks as tables to read and as curves (MGNet paper, 4.1)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tnet_tf.config.robustness import ATTACKS
from tnet_tf.errors import UserError
from tnet_tf.evaluation.figures import COLOURS, png
from tnet_tf.evaluation.tables import aligned
from tnet_tf.run import Run

Report = Mapping[str, Any]
REPORT = "robustness.json"
CLEAN = "clean"
_TOP1, _GAZE = "top1_by_locations", "gaze_overlap_by_locations"
_CLEAN_TOP1 = "clean_top1_by_locations"
_UNITS = {"pixels": "the range of pixels", "standardised": "ImageNet's deviation of each channel"}


def read(folder: str) -> Report:
    """The report that `tnet_tf.evaluate` left of a network.

    Args:
      folder: of the report, as --compare has it.

    Raises:
      UserError: when there is none that can be read.
    """
    try:
        return json.loads((Path(folder) / REPORT).read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"--compare={folder} has no {REPORT} that can be read; make it by evaluate with "
            "--corruptions or --attack"
        ) from error


def to_text(reports: Sequence[Report]) -> str:
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


def plot(reports: Sequence[Report]) -> bytes:
    """A PNG: top-1 by severity, and by the strength of every attack (figure 4).

    All are after the last location. Below them the overlap of the gaze with that on the images as
    they are, where there is any.

    Args:
      reports: see `to_text`.
    """
    columns = _columns(reports)
    looks = any(_has(trial, _GAZE) for report in reports for trial in report["trials"])
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


def _settings(report: Report) -> str:
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


def _units(report: Report) -> str:
    """What epsilon is in; a report that does not say is of pixels."""
    return report["settings"].get("attack_units", "pixels")


def _epsilon(report: Report) -> str:
    return f"{report['settings']['attack_epsilon']:g}/255 {_units(report)}"


def _corruptions(report: Report) -> list[str]:
    found = (t["name"] for t in report["trials"] if t["name"] not in (*ATTACKS, CLEAN))
    return list(dict.fromkeys(found))


def _attacked(report: Report, name: str) -> list[Mapping[str, Any]]:
    return [trial for trial in report["trials"] if trial["name"] == name]


def _has(trial: Mapping[str, Any], measure: str) -> bool:
    return bool(trial.get(measure))


def _corruption_table(reports: Sequence[Report], names: Sequence[str], measure: str) -> str:
    """A row for every network and number of locations, a column for every corruption."""
    table = [("network", "locations", "GFLOPs", CLEAN, "average", *names)]
    for report in reports:
        means = {name: _mean(_attacked(report, name), measure) for name in names}
        known = [values for values in means.values() if values is not None]
        if not known:
            continue
        clean = report["trials"][0].get(measure)
        skipped = len(report["gflops_by_locations"]) - len(known[0])
        for number in range(len(known[0])):
            count = number + skipped
            cells = [
                "-" if values is None else f"{100 * values[number]:.1f}"
                for values in means.values()
            ]
            table.append(
                (
                    report["run_dir"],
                    str(count),
                    f"{report['gflops_by_locations'][count]:.4f}",
                    f"{100 * clean[number]:.1f}" if clean else "-",
                    f"{100 * np.mean([values[number] for values in known]):.1f}",
                    *cells,
                )
            )
    return "\n".join(aligned(table)) if len(table) > 1 else ""


def _mean(trials: Sequence[Mapping[str, Any]], measure: str) -> np.ndarray | None:
    values = [trial[measure] for trial in trials if _has(trial, measure)]
    return np.mean(values, axis=0) if values else None


def _attack_table(reports: Sequence[Report]) -> str:
    """A row for every network and attack, columns by the number of locations."""
    most = max(len(trial[_TOP1]) for report in reports for trial in report["trials"])
    locations = [str(count) for count in range(most)]
    table = [("network", "attack", "epsilon", "strength", *locations, "gaze overlap")]
    for report in reports:
        attacked = [trial for trial in report["trials"] if trial["name"] in ATTACKS]
        unharmed = [(CLEAN, "-", trial[_CLEAN_TOP1], "-") for trial in attacked[:1]]
        for name, strength, shares, gaze in (*unharmed, *map(_attack_row, attacked)):
            cells = [f"{100 * share:.1f}" for share in shares]
            blank = ["-"] * (most - len(cells))
            epsilon = "-" if name == CLEAN else _epsilon(report)
            table.append((report["run_dir"], name, epsilon, strength, *cells, *blank, gaze))
    return "\n".join(aligned(table))


def _attack_row(trial: Mapping[str, Any]) -> tuple[str, str, list[float], str]:
    gaze = f"{100 * trial[_GAZE][-1]:.1f}" if _has(trial, _GAZE) else "-"
    return trial["name"], str(trial["strength"]), trial[_TOP1], gaze


def _columns(reports: Sequence[Report]) -> list[str]:
    """What the curves are of: corruptions together, and every attack."""
    corrupted = ["corruptions"] if any(map(_corruptions, reports)) else []
    return [*corrupted, *(n for n in ATTACKS if any(_attacked(r, n) for r in reports))]


def _title(column: str, reports: Sequence[Report]) -> str:
    """What the curves are of, and the budgets of an attack."""
    budgets = _budgets(reports, (column,))
    return f"{column}, epsilon {' and '.join(budgets)}" if budgets else column


def _label(report: Report, reports: Sequence[Report]) -> str:
    """The network's name, and its budget where not all have the same."""
    name = Run(report["run_dir"]).name
    own = _budgets([report], ATTACKS)
    return ", epsilon ".join([name, *own]) if len(_budgets(reports, ATTACKS)) > 1 else name


def _budgets(reports: Sequence[Report], attacks: Sequence[str]) -> list[str]:
    """The budgets that any of these attacks had, each once."""
    return list(dict.fromkeys(_epsilon(r) for r in reports for n in attacks if _attacked(r, n)))


def _strength_of(column: str) -> str:
    return {"corruptions": "severity", "square": "queries"}.get(column, "steps")


def _draw(axes: Axes, report: Report, column: str, measure: str, style: dict[str, Any]) -> None:
    """One network's curve; strength 0 is the image as it is."""
    names = _corruptions(report) if column == "corruptions" else [column]
    trials = [trial for trial in report["trials"] if trial["name"] in names]
    strengths = sorted({trial["strength"] for trial in trials if _has(trial, measure)})
    if not strengths:
        return
    means = [
        float(np.mean([t[measure][-1] for t in trials if t["strength"] == strength]))
        for strength in strengths
    ]
    clean = trials[0][_CLEAN_TOP1][-1] if measure == _TOP1 else 1.0
    axes.plot(
        [0, *strengths],
        [100 * clean, *(100 * m for m in means)],
        marker="o",
        **style,
    )

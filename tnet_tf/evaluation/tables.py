"""Tables of text for a terminal."""

from collections.abc import Sequence

_HEADINGS = {
    "gflops": "GFLOPs",
    "top1": "top-1 %",
    "top5": "top-5 %",
    "top1_attended_only": "top-1 % attended only",
    "top5_attended_only": "top-5 % attended only",
}


def heading(name: str) -> str:
    """The heading of a measure's column."""
    return _HEADINGS.get(name, name.replace("_", " ") + " %")


def percent(share: float | None) -> str:
    """A share in [0, 1] in percent; '-' where there is none."""
    return "-" if share is None else f"{100 * share:.2f}"


def shortened(name: str, letters: int) -> str:
    """A name, or its beginning where it is longer."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]

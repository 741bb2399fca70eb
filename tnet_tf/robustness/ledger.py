"""Results kept as they come, so that a long measurement goes on where it was interrupted."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnet_tf import atomic_files

# The setting that chooses where the file is.
_FLAG = "--report_dir"


class Ledger:
    """A file of results by key, one line for each, in the order in which they came.

    Args:
      path: of the file.
      identity: what the results depend on, as JSON has it; a file of another one is begun anew.

    Raises:
      UserError: when the file can't be written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]):
        self.path = path
        self.entries: dict[str, Any] = {}
        header, *lines = _lines(path) or [None]
        if header == identity:
            self.entries = dict(lines)
        # Written anew in any case: an interruption may have left half a line at the end.
        rows = [identity, *([key, value] for key, value in self.entries.items())]
        lines = (f"{json.dumps(row)}\n" for row in rows)
        atomic_files.write(path, "".join(lines).encode(), _FLAG)

    def add(self, key: str, value: Any) -> None:
        """Keeps a result.

        Raises:
          UserError: when it can't be written.
        """
        self.entries[key] = value
        with atomic_files.errors_told(self.path, _FLAG), self.path.open("a") as file:
            file.write(f"{json.dumps([key, value])}\n")


def _lines(path: Path) -> list[Any]:
    """The whole lines of a ledger; what follows one that is not whole is left out."""
    rows = []
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            rows.append(json.loads(line))
    return rows

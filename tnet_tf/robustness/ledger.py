"""Results kept as they come, so that a long measurement goes on where it was interrupted."""

import contextlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnet_tf import atomic_files
from tnet_tf.evaluation.results import Results

# The setting that chooses where the file is.
_FLAG = "--report_dir"


class Ledger:
    """A file of results by key, one line for each, in the order in which they were added.

    Args:
      path: of the file.
      identity: what the results depend on, as JSON has it; a file of another one is begun anew.

    Raises:
      UserError: when the file can't be written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]):
        self.path = path
        self.entries: dict[str, Results] = {}
        header, *lines = _lines(path) or [None]
        if header == identity:
            self.entries = {key: Results.from_plain(value) for key, value in lines}
        # Written anew in any case: an interruption may have left half a line at the end.
        rows = [f"{json.dumps(identity)}\n", *itertools.starmap(_line, self.entries.items())]
        atomic_files.write(path, "".join(rows).encode(), _FLAG)

    def add(self, key: str, value: Results) -> None:
        """Keeps a result.

        Raises:
          UserError: when it can't be written.
        """
        self.entries[key] = value
        with atomic_files.errors_told(self.path, _FLAG), self.path.open("a") as file:
            file.write(_line(key, value))


def _line(key: str, value: Results) -> str:
    return f"{json.dumps([key, value.to_plain()])}\n"


def _lines(path: Path) -> list[Any]:
    """The whole lines of a ledger; what follows one that is not whole is left out."""
    rows = []
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            rows.append(json.loads(line))
    return rows

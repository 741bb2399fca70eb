"""Results kept as they come, so that a long measurement goes on where it was interrupted."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tnet_tf.errors import UserError


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
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [identity, *([key, value] for key, value in self.entries.items())]
            temporary = path.with_name(f"unfinished-{path.name}")
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            temporary.replace(path)

    def add(self, key: str, value: Any) -> None:
        """Keeps a result.

        Raises:
          UserError: when it can't be written.
        """
        self.entries[key] = value
        with self._writing(), self.path.open("a") as file:
            file.write(f"{json.dumps([key, value])}\n")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self.path} can't be written ({error.strerror or error}); free some space or "
                "give another --report_dir"
            ) from error


def _lines(path: Path) -> list[Any]:
    """The whole lines of a ledger; what follows one that is not whole is left out."""
    rows = []
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            rows.append(json.loads(line))
    return rows

"""One training in a run's folder at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tnet_tf.errors import UserError
from tnet_tf.locking import locked
from tnet_tf.run import Run
from tnet_tf.training.checkpoint_files import remove_unfinished


@contextlib.contextmanager
def held(run: Run) -> Iterator[None]:
    """Keeps other trainings out of a run's folder, which it makes if need be.

    What a killed training left unfinished is removed. Folders that it made go again if nothing was
    written to them.

    Args:
      run: whose training begins.

    Raises:
      UserError: while another process trains there, or when the folder can't be written.
    """
    folder = run.folder
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(_remove_empty, made)
            busy = (
                f"--run_dir={run}: another training is running there; wait until it has ended, "
                "or give another --run_dir"
            )
            if stack.enter_context(locked(run.lock, busy)):
                remove_unfinished(run)
        except OSError as error:
            raise UserError(f"--run_dir={run} can't be written: {error}") from error
        yield


def _remove_empty(folders: list[Path]) -> None:
    """Removes folders, the innermost first, up to one that holds something."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()

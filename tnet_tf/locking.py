"""One process at a time for what is written in place: a lock that ends with its process."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tnet_tf.errors import UserError

# What locking says on file systems that have no locks, as some of networks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextlib.contextmanager
def locked(path: Path, busy: str) -> Iterator[bool]:
    """Holds a lock while the block runs.

    The system lets go of it when the process ends, even a killed one. Only a killed one leaves the
    file behind; that is how the next holder knows.

    Args:
      path: of the lock's file, in a folder that exists; deleted at the end.
      busy: what to say if another process holds it.

    Yields:
      Whether an earlier holder was killed.

    Raises:
      UserError: another process holds it.
      OSError: the file can't be written.
    """
    with _acquired(path, busy) as file:
        left_behind = bool(file.read())
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield left_behind
        finally:
            path.unlink(missing_ok=True)


def _acquired(path: Path, busy: str) -> IO[str]:
    """The file, locked; it holds the number of the process that last had it."""
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise UserError(f"{busy} (process {holder or 'unknown'})") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                file.close()
                raise
            print(f"{path.parent} can't be locked; let no other process write there meanwhile")
        file.seek(0)
        # The holder before may have deleted the file between our opening and locking it.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()

import errno
import os
import signal
import subprocess
import sys

import pytest

from tnet_tf.errors import UserError
from tnet_tf.locking import locked

# A package without its `__init__`, which would load TensorFlow for seconds.
HOLD = """
import pathlib, sys, types
package = sys.modules["tnet_tf"] = types.ModuleType("tnet_tf")
package.__path__ = ["tnet_tf"]
from tnet_tf.locking import locked
with locked(pathlib.Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_holds_the_lock(path, holder):
    told = rf"the oven is hot \(process {holder.pid}\)"
    with pytest.raises(UserError, match=told), locked(path, "the oven is hot"):
        pass
    holder.communicate()
    with locked(path, "the oven is hot") as left_behind:
        assert not left_behind
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_leaves_a_free_lock_that_tells_of_it(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(path, "busy") as left_behind:
        assert left_behind
    with locked(path, "busy") as left_behind:
        assert not left_behind


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_file_stays_when_the_block_ends_even_by_an_error(path, error):
    with pytest.raises(error), locked(path, "busy"):
        assert path.exists()
        raise error
    assert not path.exists()


def test_a_folder_that_is_not_there_is_an_ordinary_error(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing/lock", "busy"):
        pass


def test_a_file_system_without_locks_is_said_and_used(path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with locked(path, "busy") as left_behind:
        assert not left_behind
    assert f"{path.parent} can't be locked" in capsys.readouterr().out

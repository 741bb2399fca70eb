"""A run that was interrupted ends where an undisturbed one does."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.training.runs import EVERYTHING, SETTINGS, prepared, saved_state

STEPS = ("--train_steps=30", "--checkpoint_every=6", "--evaluate_every=12")


class Runs:
    """Starts training in processes of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.data_dir = prepared(folder / "records")

    def start(self, name, workers):
        """The process of run `name`, which reads data with so many workers."""
        arguments = (f"--run_dir={self.folder / name}", f"--data_workers={workers}", *STEPS)
        settings = (*SETTINGS, *EVERYTHING, self.data_dir, *arguments)
        command = [sys.executable, "-m", "tnet_tf.train", *settings]
        return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def finish(self, name, workers):
        """Trains to the end; returns the state it ends with."""
        process = self.start(name, workers)
        _, messages = process.communicate()
        assert process.returncode == 0, messages
        return saved_state(self.folder / name)

    def interrupt(self, name, workers, after, kind):
        """Sends a signal once file `after` of the run exists; returns exit code and messages."""
        process = self.start(name, workers)
        while process.poll() is None and not (self.folder / name / after).exists():
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(kind)
        _, messages = process.communicate()
        return process.returncode, messages


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def undisturbed(runs):
    return runs.finish("undisturbed", workers=1)


def assert_equal_states(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_kills_leave_no_trace(runs, undisturbed):
    for after in ("config.json", "checkpoints/ckpt-6.index", "checkpoints/ckpt-18.index"):
        code, messages = runs.interrupt("killed", 2, after, signal.SIGKILL)
        assert code == -signal.SIGKILL, messages
    assert_equal_states(runs.finish("killed", workers=3), undisturbed)


def test_signals_end_a_run_that_can_go_on(runs, undisturbed):
    for after, kind in ((6, signal.SIGTERM), (18, signal.SIGINT)):
        file = f"checkpoints/ckpt-{after}.index"
        code, messages = runs.interrupt("stopped", 2, file, kind)
        assert code == 130
        assert "Traceback" not in messages
        step = saved_state(runs.folder / "stopped")["step/.ATTRIBUTES/VARIABLE_VALUE"]
        assert after <= step < 30
        assert f"interrupted; the same command goes on after step {step}" in messages
    assert_equal_states(runs.finish("stopped", workers=1), undisturbed)

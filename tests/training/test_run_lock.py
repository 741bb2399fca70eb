import subprocess
import sys

import pytest

from tnet_tf.errors import UserError
from tnet_tf.run import Run
from tnet_tf.training.run_lock import held

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)
"""


def test_a_second_training_is_told_of_the_first(tmp_path):
    with held(Run(tmp_path / "run")):
        with pytest.raises(UserError, match=r"run: another training is .* \(process \d+\)$"):
            held(Run(tmp_path / "run")).__enter__()
        with held(Run(tmp_path / "other")):
            pass
    with held(Run(tmp_path / "run")):
        pass


def test_the_lock_ends_with_a_killed_process(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(Run(tmp_path).lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another training is running there; wait until"):
            held(Run(tmp_path)).__enter__()
        process.kill()
    assert Run(tmp_path).lock.exists()
    with held(Run(tmp_path)):
        pass


def test_what_a_killed_training_left_unfinished_is_removed(tmp_path):
    whole = {"config.json", "best.keras", "unfinished-export/saved_model.pb"}
    whole |= {f"checkpoints/{name}" for name in ("checkpoint", "ckpt-2.index")}
    whole |= {f"checkpoints/ckpt-2.data-0000{part}-of-00002" for part in range(2)}
    unfinished = {
        "unfinished-best.keras",
        "unfinished-config.json",
        "checkpoints/checkpoint.tmp0123abcd",
        "checkpoints/ckpt-4.data-00000-of-00001",
        "checkpoints/ckpt-4_temp/part-00000-of-00001.data-00000-of-00001.tempstate5",
    }

    def left():
        return {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}

    for name in whole | unfinished:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with held(Run(tmp_path)):
        assert left() == whole | unfinished | {"lock"}  # Nothing tells of a killed process.
    Run(tmp_path).lock.write_text("123")
    with held(Run(tmp_path)):
        assert left() == whole | {"lock"}
    assert not (tmp_path / "checkpoints/ckpt-4_temp").exists()


def test_a_folder_to_which_nothing_was_written_goes_again(tmp_path):
    with held(Run(tmp_path / "new" / "run")):
        assert (tmp_path / "new" / "run").is_dir()
    assert not (tmp_path / "new").exists()
    with held(Run(tmp_path / "new" / "run")):
        (tmp_path / "new" / "run" / "config.json").touch()
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["config.json"]


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--run_dir=.*/file/run can't be written"):
        held(Run(tmp_path / "file" / "run")).__enter__()

import numpy as np
import pytest

from tests.commands import exit_code, the_error
from tests.training.damage import FILES, Whole
from tnet_tf import evaluate, export, train

# By file: who reads it.
READERS = {
    "best.keras": ("best", "pretrained"),
    "config.json": ("best", "restored"),
    "checkpoints/checkpoint": ("last", "restored"),
    "checkpoints/ckpt-4.index": ("last", "restored"),
    "checkpoints/ckpt-4.data-00000-of-00001": ("last", "restored"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Whole(tmp_path_factory.mktemp("damage"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FILES)
def test_damage_is_told_in_one_line_or_does_not_matter(run, name, seed):
    way = run.damaged(name, np.random.default_rng(seed))
    for reader in READERS[name]:
        run.told(name, way, getattr(run, reader))


def arguments(run):
    """The flags of the run that every command reads."""
    data = run.config.data
    return [
        f"--run_dir={run.run_dir}",
        f"--data_dir={data.data_dir}",
        f"--dataset={data.dataset}",
        "--image_size=96,64",
        "--base_resolution=48,32",
        "--backbone=plain_cnn",
        "--normalization=per_level",
    ]


@pytest.mark.parametrize("command", [evaluate, export])
@pytest.mark.parametrize("content", [b"", b"PK\3\4 garbage", None])
def test_commands_end_with_exit_code_2_on_a_damaged_model(run, command, content, capsys):
    path = run.whole() / "best.keras"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2] + bytes(64) if content is None else content)
    assert exit_code(command.main, *arguments(run)) == 2
    line = the_error(capsys.readouterr().err)
    assert "the best model of" in line
    assert line.endswith("--checkpoint=last takes the last state of training, ckpt-4")


def test_training_does_not_start_anew_beside_checkpoints_that_can_not_be_told(run):
    state = run.whole() / "checkpoints" / "checkpoint"
    state.write_bytes(b"\xff\xfe")
    assert "delete it to go on from the last" in run.told(state.name, "garbage", run.restored)
    state.unlink()
    assert run.told(state.name, "missing", run.restored) == ""


def test_a_folder_of_a_damaged_run_is_no_start(run, capsys):
    path = run.whole() / "best.keras"
    path.write_bytes(path.read_bytes()[:1000])
    other = f"--run_dir={run.folder / 'other'}"
    flags = [*arguments(run)[1:], other, "--train_steps=1", f"--pretrained={run.run_dir}"]
    assert exit_code(train.main, *flags) == 2
    assert f"--pretrained={run.run_dir} can't be read: it is damaged" in the_error(
        capsys.readouterr().err
    )
    assert not (run.folder / "other").exists()

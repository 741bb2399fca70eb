import re
from pathlib import Path

import pytest

from tnet_tf.run import Run

WORKSPACE = Path(__file__).parents[1] / "WORKSPACE.md"


def described():
    """What WORKSPACE.md says is in a run's folder."""
    (table,) = re.findall(
        r"A run leaves in.*?\n\n(.*?)\n\n", WORKSPACE.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    first_cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    return {name.rstrip("/") for cell in first_cells for name in re.findall("`([^`]+)`", cell)}


def test_a_run_has_everything_in_its_folder_that_is_described_and_nothing_else_but_a_lock():
    run = Run("runs/birds")
    paths = [path for path in vars(run).values() if path != run.folder]
    assert all(path.parent == run.folder for path in paths)
    names = {path.name for path in (*paths, run.export("savedmodel"), run.export("cpu"))}
    assert names - {run.lock.name} == described()


@pytest.mark.parametrize(
    ("run_dir", "name"), [("runs/birds", "birds"), ("elsewhere/birds", "elsewhere/birds")]
)
def test_a_run_is_named_after_its_folder(run_dir, name):
    assert Run(run_dir).name == name
    assert str(Run(run_dir)) == run_dir

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from tnet_tf.config.readers import READERS
from tnet_tf.flags import read_config, typed

ROOT = Path(__file__).parents[1]
README, WORKSPACE = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "WORKSPACE.md")
)
CHECKS = {
    "train": "check",
    "evaluate": "check_model",
    "benchmark": "check_model",
    "export": "check_model",
}
TEXTS = {".md", ".py", ".flags", ".ipynb"}


def python_blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(text):
    """(module, arguments) of every command line of ours, in blocks and in running text."""
    lines = re.findall(r"python -m (tnet_tf\.\w+)([^`\n]*)", text.replace("\\\n", " "))
    return list(dict.fromkeys((module, arguments.strip()) for module, arguments in lines))


def links(text):
    """Targets in the repository, pictures left out."""
    targets = re.findall(r"(?<!!)\[[^]]*\]\(([^)#]+)", text)
    return [target for target in targets if not target.startswith("http")]


def concept_paths():
    (table,) = re.findall(r"^\| concept \|.*?\n\n", README, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`]+)`", table)


def test_python_of_the_readme_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (block,) = python_blocks(README)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    printed = capfd.readouterr().out
    assert "weights loaded" in printed
    assert "initial value" not in printed


@pytest.mark.parametrize("block", python_blocks(WORKSPACE))
def test_python_of_the_workspace_compiles(block):
    compile(block, "WORKSPACE.md", "exec")


def test_pickles_are_never_run():
    """Wherever PyTorch's files are read, or told how to be, they may hold weights alone."""
    kinds = ("*.md", "data/*/*.md", "docs/**/*.md", "experiments/**/*.*", "tnet_tf/**/*.py")
    texts = [path for kind in kinds for path in ROOT.glob(kind) if path.suffix in TEXTS]
    calls = [call for path in texts for call in re.findall(r"torch\.load\([^)]*", path.read_text())]
    assert len(calls) >= 3
    assert all("weights_only=True" in call for call in calls)


@pytest.mark.parametrize(("module", "arguments"), commands(README + WORKSPACE))
def test_commands_are_valid(module, arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert importlib.util.find_spec(module)
    if not arguments:
        return
    config = read_config(*shlex.split(arguments))
    name = module.removeprefix("tnet_tf.")
    assert READERS[name].issuperset(typed(["", *shlex.split(arguments)]))
    getattr(config if name in CHECKS else config.data, CHECKS.get(name, "check"))()


def test_all_commands_are_shown():
    shown = {module for module, arguments in commands(README) if arguments}
    names = ("prepare", "train", "evaluate", "benchmark", "export")
    assert shown == {f"tnet_tf.{name}" for name in names}


@pytest.mark.parametrize("path", concept_paths())
def test_files_of_the_concepts_exist(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("target", sorted({*links(README), *links(WORKSPACE)}))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_every_experiment_of_the_paper_is_in_the_table():
    published = [
        path
        for path in (ROOT / "experiments").glob("*.flags")
        if "# Published:" in path.read_text()
    ]
    assert published
    for path in published:
        assert f"(experiments/{path.name})" in README

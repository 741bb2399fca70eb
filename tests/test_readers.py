import ast
import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from tests.inputs.images import make_folder
from tests.training.runs import SETTINGS
from tnet_tf import benchmark, evaluate, export, prepare, train
from tnet_tf.benchmarking import workloads
from tnet_tf.config import Config
from tnet_tf.config.learning import RULES
from tnet_tf.config.readers import READERS
from tnet_tf.flags import read_config

COMMANDS = {
    "prepare": prepare.main,
    "train": train.main,
    "evaluate": evaluate.main,
    "export": export.main,
    "benchmark": benchmark.main,
}
# What goes through all settings of a concern alike: to check, compare, copy or store them.
_ALIKE = ("check", "_check", "require", "differences", "__eq__", "__hash__")


def recording(config, read):
    """The settings, which note in `read` which of them a command looks at."""

    settings = {name for section in vars(config).values() for name in vars(section)}

    def noted(section, name):
        frame = sys._getframe(1)
        if (
            name in settings
            and frame.f_globals["__name__"] != "dataclasses"
            and not frame.f_code.co_name.startswith(_ALIKE)
        ):
            read.add(name)
        return object.__getattribute__(section, name)

    sections = {}
    for name, section in vars(config).items():
        noting = type(type(section).__name__, (type(section),), {"__getattribute__": noted})
        sections[name] = noting(**vars(section))
    return Config(**sections)


def imported(module, seen):
    """All modules of ours that a module needs, but for settings."""
    if module in seen or module.startswith("tnet_tf.config"):
        return seen
    spec = importlib.util.find_spec(module)
    if spec is None:
        return seen
    seen[module] = ast.parse(Path(spec.origin).read_text())
    for node in ast.walk(seen[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tnet_tf"):
            imported(node.module, seen)
            for alias in node.names:
                if importlib.util.find_spec(node.module).submodule_search_locations:
                    imported(f"{node.module}.{alias.name}", seen)
    return seen


def is_constructor(node):
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readers")


def test_commands_read_no_settings_but_those_that_they_say(folder, monkeypatch):
    """All commands one after the other on a few images, and what each of them looked at."""
    monkeypatch.setattr(workloads, "reference", lambda: lambda: None)
    images = make_folder(folder / "images", {"train": 8, "test": 4})
    config = read_config(
        *SETTINGS,
        "--dataset=folder/pets",
        "--validation_split=",
        f"--folder={images}",
        f"--data_dir={folder / 'records'}",
        f"--run_dir={folder / 'run'}",
        f"--benchmark_dir={folder / 'benchmark'}",
        "--train_steps=1",
        "--sets=1",
        "--batches_per_set=1",
        "--input_batches=1",
        "--training_steps=1",
        "--nomeasure_memory",
    )
    for name, main in COMMANDS.items():
        read = set()
        main(recording(config, read))
        # What stops a command names settings of `prepare`, for a command line that helps.
        assert read <= READERS[name] | {"folder"}, name
        assert len(read) > 5


@pytest.mark.parametrize("name", COMMANDS)
def test_settings_that_a_command_says_it_reads_are_read_somewhere_below_it(name):
    trees = imported(f"tnet_tf.{name}", {})
    if "tnet_tf.learning.learning_rule" in trees:  # It finds the rules by what settings call them.
        for rule in RULES.values():
            imported(rule.implementation.partition(":")[0], trees)
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    # Some are read by their names, and networks are given those that their constructors take.
    names |= {node.value for node in nodes if isinstance(node, ast.Constant)}
    names |= {a.arg for node in nodes if is_constructor(node) for a in node.args.args}
    of_properties = {"format", "optimize", "quantize", "corruptions", "attack"}
    assert READERS[name] - names <= of_properties


def test_every_setting_is_read_by_a_command():
    settings = {f.name for part in vars(Config()).values() for f in dataclasses.fields(part)}
    assert set().union(*READERS.values()) == settings

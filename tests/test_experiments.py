import contextlib
import dataclasses
import re
import shlex
from pathlib import Path

import pytest
import tensorflow as tf

from tests.evaluation.test_cost import RESNETS, read_table
from tnet_tf.batch import Batch
from tnet_tf.config.readers import READERS
from tnet_tf.flags import read_config, typed
from tnet_tf.models.factory import build_model
from tnet_tf.models.weights.names import variable_names
from tnet_tf.robustness import trials
from tnet_tf.robustness.attacks import Budget
from tnet_tf.training.step import make_train_step

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
FILES = sorted(path for path in EXPERIMENTS.rglob("*.flags") if path.parent.name != "base")
# Networks of tables whose rows differ in size alone.
ROWS = sorted((EXPERIMENTS / "mgnet").glob("*.flags"))
# Settings that make a row larger or smaller, and leave what training does as it is.
SIZES = {"backbone", "base_resolution", "classes", "dataset", "gradient_scale", "image_size"}
SMALL = 64  # pixels


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def read(path, *arguments):
    return read_config(f"--flagfile={path}", *arguments)


def name_of(path):
    return path.relative_to(EXPERIMENTS).with_suffix("").as_posix()


def recipe(config):
    """All settings but the sizes and the run's folder, as text."""
    sections = dataclasses.asdict(config).values()
    settings = [item for section in sections for item in section.items()]
    return str([item for item in settings if item[0] not in {*SIZES, "run_dir"}])


def trained():
    """Every file but those rows that are trained by the same recipe as a row before them."""
    first = {}
    with contextlib.chdir(ROOT):
        for path in ROWS:
            first.setdefault(recipe(read(path)), path)
    return [path for path in FILES if path not in ROWS or path in first.values()]


def mgnet_rows():
    """(file, row) of the MGNet paper's tables 1 and 3."""
    for table in ("mgnet_table1_imagenet100", "mgnet_table3_tiny_imagenet"):
        for row in read_table(table):
            network = row["network"].replace("-", "").lower()
            data = table.split("_", 2)[2]
            yield f"mgnet/{data}_{RESNETS[row['backbone']]}_{network}", row


TRAINED = trained()
MGNET_ROWS = dict(mgnet_rows())


def shrunk(config):
    """The settings for images of `SMALL` pixels, glimpses in proportion."""
    side, base = config.data.image_size[0], config.model.base_resolution[0]
    data = dataclasses.replace(config.data, image_size=(SMALL, SMALL))
    model = dataclasses.replace(config.model, base_resolution=(round(SMALL * base / side),) * 2)
    return dataclasses.replace(config, data=data, model=model)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_settings_are_valid_and_say_where_the_run_lies(path):
    config = read(path)
    config.check()
    assert config.train.run_dir.startswith("runs/")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_commands_of_the_headers_are_valid(path):
    """Whole commands, and settings at a line's end that are to be added to them."""
    for line in re.findall("^#.*", path.read_text(), flags=re.MULTILINE):
        whole = re.search(r"-m tnet_tf\.(\w+) (.+)", line)
        added = re.search(r"((?: --\w+=\S+)+)$", line)
        if whole:
            read_config(*shlex.split(whole[2])).check_model()
            assert READERS[whole[1]].issuperset(typed(["", *shlex.split(whole[2])]))
        elif added:
            config = read(path, *shlex.split(added[1]))
            config.check()
            config.robustness.check()


def test_no_two_experiments_share_a_run_folder():
    folders = [read(path).train.run_dir for path in FILES]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("path", TRAINED, ids=name_of)
def test_networks_can_be_trained(path):
    """One step on two images of noise; the loss is a number, and the weights move."""
    config = shrunk(read(path)) if path in ROWS else read(path)
    model = build_model(config.model, classes=10)
    kernel = variable_names(model)["classification/linear/kernel"]
    before, step = kernel.numpy(), make_train_step(model, config, steps=10)
    images = tf.random.stateless_uniform((2, *config.data.image_size, 3), (0, 0), -1, 1)
    metrics = step(Batch.of(images, tf.constant([3, 7])))
    assert tf.math.is_finite(metrics["loss"])
    assert (kernel.numpy() != before).any()


@pytest.mark.parametrize("path", [path for path in FILES if path not in TRAINED], ids=name_of)
def test_networks_of_other_sizes_can_be_built(path):
    config = read(path)
    assert build_model(config.model, config.model.classes).locations == config.model.locations


def test_every_row_of_mgnets_tables_has_a_file():
    assert [name_of(path) for path in ROWS] == sorted(MGNET_ROWS)


@pytest.mark.parametrize(("name", "row"), MGNET_ROWS.items(), ids=list(MGNET_ROWS))
def test_rows_of_mgnets_tables_have_the_published_settings(name, row):
    path = EXPERIMENTS / f"{name}.flags"
    config, text, readme = read(path), path.read_text(), (ROOT / "README.md").read_text()
    assert f"{name}.flags) | {row['top1_percent']} | {row['gflops']} |" in readme
    assert f"# Published: {row['top1_percent']}% top-1, {row['gflops']} GFLOPs" in text
    for command in ("prepare", "train", "evaluate"):
        assert f"python -m tnet_tf.{command} --flagfile=experiments/{name}.flags\n" in text
    side, glimpse, locations = (224, 96, 3) if "imagenet100" in name else (64, 32, 2)
    if row["network"] == "FF-Net":
        glimpse, locations = side, 0
    else:
        scale = 0.02 if "ResNet-18" in row["backbone"] else 0.01
        assert config.model.gradient_scale == scale
    assert config.data.image_size == (side, side)
    assert config.model.model == "mgnet" and config.model.backbone == RESNETS[row["backbone"]]
    assert config.model.base_resolution == (glimpse, glimpse)
    assert config.model.locations == (locations,)


@pytest.mark.parametrize(
    "path", [*ROWS, *sorted(EXPERIMENTS.glob("tiny_imagenet_10_*.flags"))], ids=name_of
)
def test_mgnets_and_what_they_are_compared_with_are_attacked_as_published(path):
    assert trials.budget(read(path).robustness) == Budget(
        epsilon=4, step=1, random_start=False, clip=False, units="standardised"
    )

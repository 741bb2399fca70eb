import dataclasses
from pathlib import Path

import pytest
import tensorflow as tf

from tnet_tf.flags import read_config
from tnet_tf.inputs.pipeline import Example
from tnet_tf.learning.baseline import RewardBaseline
from tnet_tf.models.factory import build_model
from tnet_tf.models.published_weights import variable_names
from tnet_tf.training.optimizers import make_groups
from tnet_tf.training.step import TrainStep

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "experiments").glob("*.flags"))


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def read(path, *arguments):
    return read_config(f"--flagfile={path}", *arguments)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_settings_are_valid_and_say_where_the_run_lies(path):
    config = read(path)
    config.check()
    assert config.train.run_dir.startswith("runs/")


def test_no_two_experiments_share_a_run_folder():
    folders = [read(path).train.run_dir for path in FILES]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_networks_can_be_trained(path):
    """One step on two images of noise; the loss is a number, and the weights move."""
    config = read(path)
    model = build_model(config.model, classes=10)
    variables = {n: v for n, v in variable_names(model).items() if v.trainable}
    groups = make_groups(variables, (), 10, config.train)
    counter = tf.Variable(0, dtype=tf.int64)
    step = TrainStep(model, groups, RewardBaseline(), counter, config.learning, seed=0)
    before = variables["classification/linear/kernel"].numpy()
    images = tf.random.stateless_uniform((2, *config.data.image_size, 3), (0, 0), -1, 1)
    metrics = step(Example(images, tf.constant([3, 7]), tf.zeros((2, 4)), tf.ones(2)))
    assert tf.math.is_finite(metrics["loss"])
    assert (variables["classification/linear/kernel"].numpy() != before).any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("imagenet", {"grid": 5, "cell": 0.34375, "base_resolution": (77, 77), "locations": (3,)}),
        ("fmow_448", {"grid": 3, "cell": 0.5, "base_resolution": (224, 224), "locations": (2,)}),
        ("fmow_896", {"grid": 3, "cell": 0.5, "base_resolution": (224, 224), "locations": (2, 1)}),
    ],
)
def test_published_networks_have_the_published_settings(name, expected):
    model = dataclasses.asdict(read(f"experiments/{name}.flags").model)
    assert {key: model[key] for key in expected} == expected

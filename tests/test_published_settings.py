"""The flag files of published experiments beside what papers and published code say of them."""

import dataclasses
import fnmatch

import pytest

from tests.evaluation.test_cost import read_table
from tests.test_experiments import EXPERIMENTS, FILES, ROOT, name_of, read
from tnet_tf.config import Config
from tnet_tf.flags import read_config

# Rows (experiment, setting, value, source); an experiment is a file's name, or a pattern of names.
TABLE = read_table("published_settings")
PUBLISHED = [path for path in FILES if "# Published:" in path.read_text()]
# Choices that are ours: no paper names them, and no published code that is known.
OURS = {"run_dir", "checkpoint_every", "evaluate_every", "checkpoint"}
# MGNet's batch is in neither its paper nor what is known of its code.
OURS_OF_MGNET = OURS | {"batch_size"}
DEFAULTS = Config()


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def rows_of(path):
    return [row for row in TABLE if fnmatch.fnmatch(name_of(path), row["experiment"])]


def flat(config):
    """All settings of all sections; no two have the same name."""
    sections = vars(config).values()
    return {name: value for section in sections for name, value in vars(section).items()}


def test_the_published_experiments_are_those_of_the_papers_tables():
    names = {name_of(path) for path in PUBLISHED}
    assert {"imagenet", "fmow_448", "fmow_896"} <= names
    assert {name for name in names if name.startswith("mgnet/")} == {
        name_of(path) for path in (EXPERIMENTS / "mgnet").glob("*.flags")
    }


@pytest.mark.parametrize("path", PUBLISHED, ids=name_of)
def test_settings_are_the_published_ones(path):
    rows = {row["setting"]: row for row in rows_of(path)}
    published = flat(read_config(*(f"--{name}={row['value']}" for name, row in rows.items())))
    settings = flat(read(path))
    different = {
        f"{name}={settings[name]} instead of {published[name]} ({row['source']})"
        for name, row in rows.items()
        if settings[name] != published[name]
    }
    assert not different


@pytest.mark.parametrize("path", PUBLISHED, ids=name_of)
def test_no_published_experiment_changes_a_setting_without_a_source(path):
    ours = OURS_OF_MGNET if name_of(path).startswith("mgnet/") else OURS
    defaults = flat(DEFAULTS)
    changed = {name for name, value in flat(read(path)).items() if value != defaults[name]}
    assert changed <= ours | {row["setting"] for row in rows_of(path)}


@pytest.mark.parametrize("path", PUBLISHED, ids=name_of)
def test_all_that_decides_what_is_learned_has_a_source(path):
    settings = {row["setting"] for row in rows_of(path)}
    network = {"model", "backbone", "classes", "base_resolution", "locations", "input_statistics"}
    rule = {"rule", "l2_weight", "optimizer", "schedule", "learning_rate", "epochs", "pretrained"}
    augmentation = {
        field.name
        for field in dataclasses.fields(DEFAULTS.data)
        if field.name.startswith(("random_", "crop_", "auto_", "color_", "translation", "rotation"))
    }
    assert {"dataset", "image_size"} | network | rule | augmentation <= settings


def test_every_row_is_of_an_experiment_and_none_says_a_setting_twice():
    names = [name_of(path) for path in PUBLISHED]
    unused = {r["experiment"] for r in TABLE if not fnmatch.filter(names, r["experiment"])}
    assert not unused
    for path in PUBLISHED:
        settings = [row["setting"] for row in rows_of(path)]
        assert len(set(settings)) == len(settings)


def test_every_row_names_its_source():
    for row in TABLE:
        assert row["source"].startswith(("TNet paper", "TNet appendix", "TNet's", "MGNet"))

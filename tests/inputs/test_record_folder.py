import dataclasses
import json
import os
import pathlib
import random
import shutil

import numpy as np
import pytest

from tests.damage import at_random
from tests.inputs.damage import DAMAGES, JSON_DAMAGES, copy, other_json
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, pipeline, records

DESCRIPTIONS = ("dataset_info.json", "features.json", "metadata.json")
RECORDS = "folder-train.tfrecord-00000-of-00001"


@pytest.fixture
def damaged(photos, tmp_path):
    """A copy of prepared photos to be damaged: its settings and the folder of its records."""
    root = copy(pathlib.Path(photos.data_dir), tmp_path / "records")
    return dataclasses.replace(photos, data_dir=str(root)), root / "folder/photos/1.0.0"


def read(data):
    """Opens a dataset and reads all that is in it."""
    dataset = catalog.open_dataset(data)
    with pipeline.record_errors(dataset):
        for split in dataset.splits:
            for record in records.in_order(dataset.shards(split)):
                dataset.parse(record)


def told(data):
    """The one line that tells what is wrong."""
    with pytest.raises(UserError) as error:
        read(data)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*DESCRIPTIONS, "label.labels.txt"])
def test_damaged_descriptions_are_told_by_their_names(damaged, name, damage):
    data, folder = damaged
    DAMAGES[damage](folder / name)
    assert told(data).startswith(f"{folder / name} ")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [*DESCRIPTIONS, "label.labels.txt", "LICENSE"])
def test_pipes_among_built_in_records_are_told_instead_of_waited_for(scenes, tmp_path, name):
    """Their builder is TFDS's, which opens what it finds."""
    root = copy(pathlib.Path(scenes.data_dir), tmp_path / "records")
    file = root / scenes.dataset / "1.0.0" / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    data = dataclasses.replace(scenes, data_dir=str(root))
    assert told(data).startswith(f"{file} is not a file")


@pytest.mark.parametrize("damage", JSON_DAMAGES)
@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_json_of_other_shape_is_told_by_its_name(damaged, name, damage):
    data, folder = damaged
    JSON_DAMAGES[damage](folder / name)
    assert told(data).startswith(f"{folder / name} ")


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "not UTF-8"])
def test_damaged_records_are_told_by_their_names_when_opened(damaged, damage):
    data, folder = damaged
    DAMAGES[damage](folder / RECORDS)
    assert str(folder / RECORDS) in told(data)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "name, spoil, message",
    [
        (
            "label.labels.txt",
            lambda path: path.write_text("cat\n"),
            "can't be used: .*1 names VS 2",
        ),
        ("label.labels.txt", lambda path: path.write_text("cat\ncat\n"), "duplicated"),
        (
            "dataset_info.json",
            lambda path: edit(path, name="birds"),
            "name 'birds' and not 'folder'",
        ),
        ("dataset_info.json", lambda path: edit(path, version="9.0.0"), "version '9.0.0' and not"),
        (
            "dataset_info.json",
            lambda path: edit(path, fileFormat="riegeli"),
            "only tfrecord is read",
        ),
        ("dataset_info.json", lambda path: edit(path, splits=[]), "describes no splits"),
        ("metadata.json", lambda path: edit(path, skipped=3), "has no 'skipped' that is a list"),
    ],
)
def test_what_does_not_fit_together_is_told(damaged, name, spoil, message):
    data, folder = damaged
    spoil(folder / name)
    with pytest.raises(UserError, match=message) as error:
        catalog.open_dataset(data)
    assert str(error.value).startswith(f"{folder / name} ")
    assert str(error.value).endswith(f"delete the folder {folder} and prepare the dataset again")


def test_features_that_the_records_do_not_have_are_told(damaged):
    data, folder = damaged
    path = folder / "features.json"
    path.write_text(path.read_text().replace('"label"', '"species"'))
    (folder / "label.labels.txt").rename(folder / "species.labels.txt")
    assert f"{path} does not describe the records of {folder / RECORDS}" in told(data)


def test_a_file_in_the_place_of_the_folder_is_told(damaged):
    data, folder = damaged
    shutil.rmtree(folder)
    folder.write_text("")
    assert str(folder) in told(data)


def test_records_with_more_than_the_described_ones_are_told(damaged):
    data, folder = damaged
    path = folder / RECORDS
    path.write_bytes(path.read_bytes() * 2)
    assert f"{path} has 28 records, and not 14" in told(data)


def test_unreadable_files_are_told(damaged, monkeypatch):
    data, folder = damaged

    def refuse(path, *arguments, **keywords):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    assert told(data).startswith(
        f"{folder / 'dataset_info.json'} can't be read (Permission denied)"
    )


def other_descriptions(folder):
    """Files and contents that are JSON, but differ in one part."""
    for name in DESCRIPTIONS:
        for content in other_json(json.loads((folder / name).read_text())):
            yield folder / name, json.dumps(content).encode()


def damaged_at_random(folder):
    """Files, records too, and contents that are damaged somewhere."""
    for path in sorted(folder.iterdir()):
        for seed in range(100):
            yield path, at_random(path.read_bytes(), np.random.default_rng(seed))


def check_read_or_told(data, cases):
    """Checks that a dataset with one file of other content is read, or refused in one line."""
    for path, content in cases:
        original = path.read_bytes()
        path.write_bytes(content)
        try:
            read(data)
        except UserError as error:
            assert "\n" not in str(error)
        except Exception as error:
            raise AssertionError(f"{path.name}: {content!r}") from error
        path.write_bytes(original)


@pytest.mark.parametrize("kind", [other_descriptions, damaged_at_random])
def test_some_of_a_thousand_damages_are_read_or_told(damaged, kind):
    data, folder = damaged
    cases = list(kind(folder))
    assert len(cases) > 500
    check_read_or_told(data, random.Random(0).sample(cases, 30))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tnet_tf.errors.DoubtfulSettings")
@pytest.mark.parametrize("kind", [other_descriptions, damaged_at_random])
def test_all_of_a_thousand_damages_are_read_or_told(damaged, kind):
    data, folder = damaged
    check_read_or_told(data, kind(folder))

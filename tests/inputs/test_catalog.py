import pathlib

import pytest

from tests.inputs.folders import folder, prepare
from tests.inputs.images import make_folder
from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, digit_scenes
from tnet_tf.locking import locked


@pytest.mark.parametrize(
    "name, command",
    [
        ("digit_scenes", "--dataset=digit_scenes"),
        ("digit_scenes/96x96", "--dataset=digit_scenes/96x96"),
        ("folder/mine", "--dataset=folder/mine .*--folder=FOLDER"),
        ("mnist", "--dataset=mnist"),
    ],
)
def test_what_is_not_prepared_is_told_with_the_command(tmp_path, name, command):
    data = DataConfig(dataset=name, data_dir=str(tmp_path))
    assert not catalog.is_prepared(data)
    with pytest.raises(UserError, match=f"is not prepared; run: .*prepare {command}"):
        catalog.open_dataset(data)


def left_by_a_killed_process(parent):
    """What preparing leaves behind when its process is killed."""
    (parent / "incomplete.ABCDEF_1.0.0").mkdir(parents=True)
    (parent / "incomplete.ABCDEF_1.0.0/folder-train.tfrecord").write_bytes(b"half")
    (parent / "incomplete.ABCDEF_2.0.0").mkdir()
    (parent / "unfinished-1.0.0").write_text("123\n")


def test_what_a_killed_process_left_is_removed(tmp_path, capsys):
    parent = tmp_path / "records/folder/mine"
    left_by_a_killed_process(parent)
    prepare(tmp_path, {"train": 5})
    assert "incomplete.ABCDEF_1.0.0, which a killed process has left" in capsys.readouterr().out
    assert sorted(path.name for path in parent.iterdir()) == ["1.0.0", "incomplete.ABCDEF_2.0.0"]


def test_what_others_are_writing_is_left_alone(tmp_path):
    make_folder(tmp_path / "images", {"train": 5})
    parent = tmp_path / "records/folder/mine"
    left_by_a_killed_process(parent)
    # The file says that a process was killed; but here is one that holds the lock.
    with locked(parent / "unfinished-1.0.0", "busy"):
        with pytest.raises(UserError, match=r"folder/mine is being prepared in .* by another"):
            catalog.prepare_dataset(folder(tmp_path))
        assert len(list(parent.iterdir())) == 3
    catalog.prepare_dataset(folder(tmp_path))
    assert (parent / "incomplete.ABCDEF_1.0.0").exists()


def test_preparing_that_fails_leaves_no_folders(tmp_path):
    make_folder(tmp_path / "images", {"train": 5})
    (tmp_path / "images/train/cat/3.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"3\.png cannot be used"):
        catalog.prepare_dataset(folder(tmp_path))
    assert not (tmp_path / "records/folder").exists()


def test_scenes_of_other_settings_are_told(scenes, monkeypatch):
    monkeypatch.setattr(digit_scenes, "FRAGMENTS", 99)
    with pytest.raises(UserError, match="composed with other settings; delete it and run"):
        catalog.open_dataset(scenes)


def train_file(tmp_path):
    return next((tmp_path / "records").rglob("*train.tfrecord*"))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-50]), "is cut off: 9 of its 10"),
    ],
)
def test_damaged_files_are_told_when_opened(tmp_path, spoil, message):
    prepare(tmp_path, {"train": 5})
    path = train_file(tmp_path)
    spoil(path)
    with pytest.raises(UserError, match=message) as error:
        catalog.open_dataset(folder(tmp_path))
    assert str(path) in str(error.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    make_folder(tmp_path / "images", {"train": 1})
    (tmp_path / "records").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="could not be prepared in"):
        catalog.prepare_dataset(folder(tmp_path))


def test_datasets_of_ours_are_told_where_a_name_is_unknown(tmp_path):
    with pytest.raises(UserError) as error:
        catalog.open_dataset(DataConfig(dataset="no_such_dataset", data_dir=str(tmp_path)))
    told = str(error.value)
    assert "--dataset=no_such_dataset is unknown: give digit_scenes, folder/NAME, " in told
    assert "or the name of a TFDS dataset (" in told
    assert all(name in told for name, source in catalog.SOURCES.items() if source.builder)
    assert "imagenet2012" not in told


def test_every_source_has_a_card():
    cards = pathlib.Path(__file__).parents[2] / "data"
    for name in catalog.SOURCES:
        assert f"--dataset={name}" in (cards / name / "README.md").read_text(encoding="utf-8")


def test_public_datasets_are_prepared_by_their_name(public):
    dataset = catalog.open_dataset(public)
    assert dataset.splits == ("train", "test", "test")
    assert dataset.classes == ("left", "right")
    assert dataset.has_boxes


def test_no_network_is_told(tmp_path, monkeypatch):
    def unresolved(*_):
        raise OSError("name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unresolved)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(UserError, match=r"storage\.googleapis\.com, which cannot be reached"):
        catalog.prepare_dataset(DataConfig(dataset="mnist", data_dir=str(tmp_path)))


def test_files_to_be_fetched_by_hand_are_told(tmp_path):
    with pytest.raises(UserError, match=r"ILSVRC2012_img_train\.tar"):
        catalog.prepare_dataset(DataConfig(dataset="imagenet2012", data_dir=str(tmp_path)))

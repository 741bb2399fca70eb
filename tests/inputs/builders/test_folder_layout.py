import os

import pytest
from tqdm import tqdm

from tests.inputs.images import make_folder, noise
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs.builders import folder_layout


def test_splits_and_classes_are_the_folders(tmp_path):
    layout = folder_layout.scan(make_folder(tmp_path, {"train": 2, "val": 1, "test": 1}))
    assert layout.splits["train"] == {
        "cat": ["train/cat/0.png", "train/cat/1.png"],
        "dog": ["train/dog/0.png", "train/dog/1.png"],
    }
    assert list(layout.splits) == ["test", "train", "val"]
    assert layout.classes == ["cat", "dog"]


def test_a_folder_of_classes_is_one_split(tmp_path):
    layout = folder_layout.scan(make_folder(tmp_path, {"": 3}))
    assert layout.splits == {
        "train": {name: [f"{name}/{i}.png" for i in range(3)] for name in ("cat", "dog")}
    }


def test_a_class_may_be_called_train(tmp_path):
    layout = folder_layout.scan(make_folder(tmp_path, {"": 1}, ("train", "tram")))
    assert layout.classes == ["train", "tram"]


def test_images_lie_at_any_depth_below_their_class(tmp_path):
    make_folder(tmp_path, {"train": 1})
    (tmp_path / "train/cat/more").mkdir()
    noise().save(tmp_path / "train/cat/more/7.png")
    assert "train/cat/more/7.png" in folder_layout.scan(tmp_path).splits["train"]["cat"]


def test_hidden_files_and_other_files_are_ignored_and_counted(tmp_path):
    make_folder(tmp_path, {"train": 1})
    for name in (".DS_Store", ".hidden.png", "notes.txt", "Thumbs.db"):
        (tmp_path / "train/cat" / name).write_text("x")
    (tmp_path / ".git").mkdir()
    layout = folder_layout.scan(tmp_path)
    assert layout.ignored == 4
    assert list(layout.files()) == ["train/cat/0.png", "train/dog/0.png"]


def test_extensions_in_capitals_count(tmp_path):
    make_folder(tmp_path, {"train": 1})
    (tmp_path / "train/cat/0.png").rename(tmp_path / "train/cat/0.PNG")
    assert "train/cat/0.PNG" in list(folder_layout.scan(tmp_path).files())


def empty(root, split, name):
    for path in (root / split / name).iterdir():
        path.unlink()


def remove(root, split, name):
    empty(root, split, name)
    (root / split / name).rmdir()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda root: empty(root, "train", "dog"), "class 'dog' has no image to train on"),
        (lambda root: remove(root, "train", "dog"), "class 'dog' is in val but not in train"),
        (lambda root: remove(root, "val", "cat"), "class 'cat' is in train but not in val"),
        (
            lambda root: [empty(root, "val", name) for name in ("cat", "dog")],
            "val has no images",
        ),
        (lambda root: (root / "train").rename(root / "test"), "no folder train"),
    ],
)
def test_mistakes_are_named(tmp_path, spoil, message):
    make_folder(tmp_path, {"train": 2, "val": 1})
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        folder_layout.scan(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_missing_folder_and_one_without_images_are_told(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a folder"):
        folder_layout.scan(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has no images .*: it holds no files"):
        folder_layout.scan(tmp_path)


def save(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise().save(root / name)


@pytest.mark.parametrize(
    "names, message",
    [
        (("1.png", "2.png"), "2 images lie in ROOT itself; put them into ROOT/<class>/"),
        (
            ("train/1.png", "test/2.png"),
            "1 images lie in ROOT/t[a-z]* itself; put them into ROOT/t",
        ),
        (("test/cat/1.png",), "has no folder train .*: it has test"),
        (("cat/1.tiff", "dog/2.TIFF"), "has no images in .*: its 2 files are 2 .tiff"),
        (("cat/1.png",), "one class only, 'cat': a classifier needs two or more"),
        (
            ("pets/train/cat/1.png", "pets/test/dog/2.png"),
            "one class only, 'pets': .* of their own, test, train; .* give --folder=ROOT/pets",
        ),
        (
            ("train/im/cat/1.png", "train/im/dog/2.png"),
            "one class only, 'im': .* of their own, cat, dog; .* give --folder=ROOT/train/im",
        ),
    ],
)
def test_what_is_not_in_folders_of_classes_is_told_where_it_lies(tmp_path, names, message):
    save(tmp_path, *names)
    with pytest.raises(UserError, match=message.replace("ROOT", str(tmp_path))):
        folder_layout.scan(tmp_path)


@pytest.mark.parametrize(
    "names, message",
    [
        (("1.png",), "left out: 1 images lie in ROOT itself"),
        (("train/1.png", "train/2.png"), "left out: 2 images lie in ROOT/train itself"),
        (
            ("valdiation/cat/1.png",),
            "left out: valdiation are none of the splits train, validation",
        ),
    ],
)
def test_what_lies_beside_classes_and_splits_is_left_out_and_told(tmp_path, names, message):
    make_folder(tmp_path, {"train": 2})
    save(tmp_path, *names)
    with pytest.warns(DoubtfulSettings, match=message.replace("ROOT", str(tmp_path))):
        layout = folder_layout.scan(tmp_path)
    assert len(list(layout.files())) == 4


@pytest.mark.parametrize("name", ["cat\nfish", "cat\rfish", " cat", "cat\t", "cat\u2028fish", " "])
def test_names_of_classes_that_would_become_others_are_refused(tmp_path, name):
    make_folder(tmp_path, {"train": 1}, (name, "dog"))
    with pytest.raises(UserError, match=r"class .* has a line break in its name, or a space"):
        folder_layout.scan(tmp_path)


@pytest.mark.parametrize("name", [b"train/caf\xe9", b"train/cat/caf\xe9"])
def test_names_that_are_not_utf8_are_refused(tmp_path, name):
    make_folder(tmp_path, {"train": 1})
    folder = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(folder)
    noise().save(os.path.join(os.fsdecode(folder), "1.png"))
    with pytest.raises(UserError, match=r"caf.*/1.png is not UTF-8; rename it"):
        folder_layout.scan(tmp_path)


def test_progress_is_shown(tmp_path, monkeypatch, capsys):
    make_folder(tmp_path, {"train": 2})
    monkeypatch.setattr(
        folder_layout, "tqdm", lambda **settings: tqdm(**{**settings, "delay": 0, "mininterval": 0})
    )
    folder_layout.scan(tmp_path)
    assert f"looking through {tmp_path}: " in capsys.readouterr().err


def test_fingerprint_changes_with_the_files(tmp_path):
    make_folder(tmp_path, {"train": 2})
    before = folder_layout.scan(tmp_path).fingerprint()
    assert folder_layout.scan(tmp_path).fingerprint() == before
    noise(50, 50).save(tmp_path / "train/cat/0.png")
    changed = folder_layout.scan(tmp_path).fingerprint()
    (tmp_path / "train/cat/0.png").rename(tmp_path / "train/cat/9.png")
    assert len({before, changed, folder_layout.scan(tmp_path).fingerprint()}) == 3

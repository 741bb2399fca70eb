import itertools
import os

import pytest

from tests.inputs.images import make_folder, noise
from tnet_tf.errors import UserError
from tnet_tf.inputs.builders import folder_layout


@pytest.fixture
def root(tmp_path):
    """Two classes with two images each."""
    return make_folder(tmp_path / "images", {"train": 2})


def link(root, name, target):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(target)


def test_links_are_followed(root, tmp_path):
    elsewhere = make_folder(tmp_path / "elsewhere", {"": 3}, ("some", "more"))
    link(root, "train/cat/linked.png", elsewhere / "some/0.png")
    link(root, "train/cat/folder", elsewhere / "more")
    link(root, "train/bird", elsewhere / "some")
    (elsewhere / "some/0.png").rename(elsewhere / "0.png")
    (root / "train/cat/linked.png").unlink()
    link(root, "train/cat/linked.png", elsewhere / "0.png")
    layout = folder_layout.scan(root)
    assert layout.splits["train"]["bird"] == ["train/bird/1.png", "train/bird/2.png"]
    assert layout.splits["train"]["cat"] == [
        "train/cat/0.png",
        "train/cat/1.png",
        "train/cat/folder/0.png",
        "train/cat/folder/1.png",
        "train/cat/folder/2.png",
        "train/cat/linked.png",
    ]
    assert layout.repeated == 0


@pytest.mark.parametrize(
    "name, target",
    [
        ("train/cat/up", ".."),
        ("train/cat/further", "../.."),
        ("train/cat/root", "/"),
        ("train/cat/self", "."),
        ("train/cat/deep/back", "../../cat"),
        ("train/all", "."),
        ("train/cat/again.png", "0.png"),
        ("train/cat/A.png", "again/../0.png"),
    ],
)
def test_what_is_among_the_images_already_is_left_out_and_counted(root, name, target):
    (root / "train/cat/again").mkdir()
    before = folder_layout.scan(root)
    link(root, name, target)
    after = folder_layout.scan(root)
    count = {split: {c: len(f) for c, f in s.items()} for split, s in after.splits.items()}
    assert count == {"train": {"cat": 2, "dog": 2}}
    assert (before.repeated, after.repeated) == (0, 1)


def test_folders_that_link_to_each_other_end(root):
    for here, there in itertools.permutations(("one", "two", "three"), 2):
        link(root, f"train/cat/{here}/{there}", f"../{there}")
        noise().save(root / f"train/cat/{here}/image.png")
    layout = folder_layout.scan(root)
    assert len(layout.splits["train"]["cat"]) == 5
    real = [os.path.realpath(root / file) for file in layout.files()]
    assert len(set(real)) == len(real) == 7


@pytest.mark.parametrize(
    "name, target",
    [
        ("train/dog/9.png", "../cat/0.png"),
        ("train/dog/more", "../cat"),
        ("train/horse", "cat"),
        ("val", "train"),
    ],
)
def test_a_file_in_two_classes_or_splits_is_refused(root, name, target):
    link(root, name, target)
    with pytest.raises(UserError, match="are one file; an image belongs to one class"):
        folder_layout.scan(root)


@pytest.mark.parametrize("name, target", [("train/bird", "nowhere"), ("train/loop", "loop")])
def test_a_class_that_is_a_link_to_nothing_is_refused(root, name, target):
    link(root, name, target)
    with pytest.raises(UserError, match=f"{name} is a link to .*, which does not exist or leads"):
        folder_layout.scan(root)


def test_links_to_nothing_count_by_their_names(root):
    link(root, "train/cat/gone.png", "nowhere.png")
    link(root, "train/cat/loop.png", "loop.png")
    link(root, "train/cat/gone", "nowhere")
    link(root, "train/cat/loop", "loop")
    layout = folder_layout.scan(root)
    assert "train/cat/gone.png" in layout.splits["train"]["cat"]  # told when it is read
    assert "train/cat/loop.png" in layout.splits["train"]["cat"]
    assert layout.ignored == 2
    assert layout.fingerprint()


def test_a_folder_that_may_not_be_read_is_told(root, monkeypatch):
    def scandir(path):
        if os.fspath(path).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return allowed(path)

    allowed = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match="train/dog cannot be read: Permission denied"):
        folder_layout.scan(root)

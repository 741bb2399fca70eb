import os
from pathlib import Path

import pytest

from tnet_tf.atomic_files import AtomicFile, replacing, unfinished, write
from tnet_tf.errors import UserError


def test_files_are_written_into_new_folders_and_replaced(tmp_path):
    path = tmp_path / "new" / "report.txt"
    for content in (b"first, longer", b"second"):
        write(path, content)
        assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["report.txt"]


def test_a_file_that_cannot_be_finished_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / "report.txt"
    write(path, b"first")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"report\.txt can't be written \(No space left"):
        write(path, b"second")
    assert path.read_bytes() == b"first"
    assert [file.name for file in tmp_path.iterdir()] == ["report.txt"]


def test_a_file_written_bit_by_bit_is_there_when_all_of_it_is(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    with AtomicFile(path) as file:
        for part in (b"a,b\n", b"1,2\n"):
            file.write(part)
            assert not path.exists()
    assert path.read_bytes() == b"a,b\n1,2\n"
    assert [found.name for found in path.parent.iterdir()] == ["rows.csv"]


def test_a_file_that_is_interrupted_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "rows.csv"
    write(path, b"whole")
    with pytest.raises(KeyboardInterrupt), AtomicFile(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"whole"
    assert [found.name for found in tmp_path.iterdir()] == ["rows.csv"]


def test_a_disk_that_fills_up_while_writing_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    write(path, b"whole")
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: opened(Path("/dev/full"), mode))
    with pytest.raises(UserError, match="No space left"), AtomicFile(path) as file:
        file.write(b"half" * 10000)
    monkeypatch.undo()
    assert path.read_bytes() == b"whole"


def test_a_folder_that_cannot_be_made_is_a_users_mistake(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        UserError, match=r"report\.txt can't be written .*give another --report_dir$"
    ):
        write(tmp_path / "file" / "report.txt", b"content", "--report_dir")
    with pytest.raises(UserError, match=r"free some space$"):
        write(tmp_path / "file" / "report.txt", b"content")


def write_folder(path, *names):
    with replacing(path) as folder:
        folder.mkdir()
        for name in names:
            (folder / name).write_text("content")
            assert not (path / name).exists()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_takes_the_place_of_an_earlier_one_with_all_its_files(tmp_path):
    path = tmp_path / "new" / "export"
    for names in (["a", "b"], ["c"]):
        write_folder(path, *names)
        assert files(path.parent) == ["export", *(f"export/{name}" for name in names)]


def test_a_folder_that_is_interrupted_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "export"
    write_folder(path, "whole")
    with pytest.raises(KeyboardInterrupt), replacing(path) as folder:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt
    assert files(tmp_path) == ["export", "export/whole"]


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    write_folder(tmp_path / "export", "whole")
    with pytest.raises(UserError, match="export can't be written"):
        write(tmp_path / "export", b"content")
    assert files(tmp_path) == ["export", "export/whole"]


def test_what_a_killed_process_left_does_not_matter(tmp_path):
    path = tmp_path / "export"
    write_folder(unfinished(path), "old")
    write_folder(path, "new")
    assert files(tmp_path) == ["export", "export/new"]
    file = tmp_path / "file"
    unfinished(file).write_text("old and longer")
    write(file, b"new")
    assert file.read_bytes() == b"new"
    assert files(tmp_path) == ["export", "export/new", "file"]

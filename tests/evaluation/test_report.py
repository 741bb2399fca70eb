import json
import os
from pathlib import Path

import pytest

from tnet_tf.errors import UserError
from tnet_tf.evaluation import report

RESULTS = {
    "run_dir": "runs/birds",
    "checkpoint": "best",
    "model": "tnet",
    "backbone": "bagnet77",
    "dataset": "folder/birds",
    "split": "test",
    "image_size": [448, 336],
    "parameters": 4559591,
    "images": 1234,
    "gflops_by_locations": [0.3875, 0.7748, 1.1621],
    "top1_by_locations": [0.4779, 0.7017, 0.7146],
    "top1_attended_only_by_locations": [0.5, 0.625],
    "coverage_by_locations": [0.25],
}


def test_the_table_has_a_row_for_each_number_of_locations():
    heading, rule, *rows = report.table(RESULTS).splitlines()
    assert [row.split() for row in rows] == [
        ["0", "0.39", "47.79", "-", "-"],
        ["1", "0.77", "70.17", "50.00", "25.00"],
        ["2", "1.16", "71.46", "62.50", "-"],
    ]
    for name in ("locations", "GFLOPs", "top-1 %", "top-1 % attended only", "coverage %"):
        assert name in heading
    assert set(rule) == {"-", " "}


def test_the_columns_are_aligned():
    lines = report.table(RESULTS).splitlines()
    assert len({len(line) for line in lines}) == 1
    end = lines[0].index("GFLOPs") + len("GFLOPs")
    assert [line[end - 4 : end] for line in lines[2:]] == ["0.39", "0.77", "1.16"]


def test_the_text_says_what_was_measured():
    text = report.to_text(RESULTS)
    for part in ("runs/birds", "best", "folder/birds", "test", "1234 images", "448 x 336 px"):
        assert part in text
    assert "4,559,591 parameters" in text
    assert report.table(RESULTS) in text


def test_the_text_has_a_section_for_everything_that_was_measured():
    text = report.to_text(
        {
            **RESULTS,
            "gaze_baselines": {"random": RESULTS},
            "classes": [{"name": "owl", "images": 1, "precision": 1, "recall": 1, "f1": 1}],
            **{f"macro_{measure}": 1.0 for measure in ("precision", "recall", "f1")},
            "confusions": [],
            "calibration": None,
        }
    )
    sections = text.split("\n\n")
    assert sections[:2] == report.to_text(RESULTS).strip().split("\n\n")
    for section, word in zip(sections[2:], ("random", "owl", "calibration"), strict=True):
        assert word in section


def test_json_holds_the_results_as_they_are():
    assert json.loads(report.to_json(RESULTS)) == RESULTS


def test_json_refuses_what_other_programs_could_not_read():
    with pytest.raises(ValueError, match="JSON"):
        report.to_json({"loss": float("nan")})


def test_files_are_written_into_new_folders_and_replaced(tmp_path):
    path = tmp_path / "new" / "report.txt"
    for content in (b"first, longer", b"second"):
        report.write(path, content)
        assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["report.txt"]


def test_a_file_that_cannot_be_finished_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / "report.txt"
    report.write(path, b"first")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"report\.txt can't be written \(No space left"):
        report.write(path, b"second")
    assert path.read_bytes() == b"first"
    assert [file.name for file in tmp_path.iterdir()] == ["report.txt"]


def test_a_file_written_bit_by_bit_is_there_when_all_of_it_is(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    with report.WholeFile(path) as file:
        for part in (b"a,b\n", b"1,2\n"):
            file.write(part)
            assert not path.exists()
    assert path.read_bytes() == b"a,b\n1,2\n"
    assert [found.name for found in path.parent.iterdir()] == ["rows.csv"]


def test_a_file_that_is_interrupted_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "rows.csv"
    report.write(path, b"whole")
    with pytest.raises(KeyboardInterrupt), report.WholeFile(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"whole"
    assert [found.name for found in tmp_path.iterdir()] == ["rows.csv"]


def test_a_disk_that_fills_up_while_writing_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    report.write(path, b"whole")
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: opened(Path("/dev/full"), mode))
    with pytest.raises(UserError, match="No space left"), report.WholeFile(path) as file:
        file.write(b"half" * 10000)
    monkeypatch.undo()
    assert path.read_bytes() == b"whole"


def test_a_folder_that_cannot_be_made_is_a_users_mistake(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--report_dir"):
        report.write(tmp_path / "file" / "report.txt", b"content")

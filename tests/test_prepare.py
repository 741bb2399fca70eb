import os
import signal
import subprocess
import sys

import pytest

from tests.commands import exit_code, the_error
from tests.inputs.images import make_folder, noise
from tnet_tf import prepare
from tnet_tf.inputs.builders import image_files


@pytest.fixture
def images(tmp_path):
    return make_folder(tmp_path / "images", {"train": 5, "test": 2})


@pytest.fixture
def run(tmp_path, images, capsys):
    """Runs the command on `images` and gives exit code, stdout and stderr."""

    def run_command(*arguments):
        capsys.readouterr()
        settings = (f"--data_dir={tmp_path / 'records'}", f"--folder={images}", *arguments)
        code = exit_code(prepare.main, *settings)
        return code, *capsys.readouterr()

    return run_command


def test_says_what_it_prepared(run):
    code, out, _ = run("--dataset=folder/pets")
    assert code == 0
    for fact in ("folder/pets", "train 10", "test 4", "2 classes: cat, dog", "boxes: no"):
        assert fact in out


def test_says_when_there_is_nothing_to_do(run):
    run("--dataset=folder/pets")
    code, out, _ = run("--dataset=folder/pets")
    assert code == 0
    assert "prepared already; nothing was done" in out


def test_skipped_and_ignored_files_are_named_and_counted(run, images):
    (images / "train/cat/0.png").write_bytes(b"")
    (images / "train/cat/notes.txt").write_text("meow")
    code, out, _ = run("--dataset=folder/pets", "--on_bad_image=skip")
    assert code == 0
    assert "skipped train/cat/0.png: the file is empty" in out
    assert "skipped 1 images in all" in out
    assert "ignored 1 files" in out


def test_names_of_files_with_line_breaks_are_told_in_one_line(run, images):
    (images / "train/cat/line\nbreak\x1b.png").write_bytes(b"")
    told = r"train/cat/line\nbreak\x1b.png"
    assert f"{told} cannot be used: the file is empty" in the_error(run("--dataset=folder/pets")[2])
    _, out, _ = run("--dataset=folder/pets", "--on_bad_image=skip")
    assert f"skipped {told}: the file is empty (0 bytes)" in out.splitlines()


def test_what_pillow_reads_around_is_not_told(run, images):
    """Its warnings show lines of its source."""
    noise().save(images / "train/cat/odd.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\0")
    code, _, err = run("--dataset=folder/pets")
    assert code == 0
    assert "Warning" not in err


def test_tiny_boxes_are_counted(run, images):
    lines = ["file,x_min,y_min,x_max,y_max", "train/cat/0.png,1,1,3,9", "train/cat/1.png,1,1,9,9"]
    (images / "boxes.csv").write_text("\n".join(lines))
    _, out, _ = run("--dataset=folder/pets")
    assert "1 boxes of at most 2 pixels a side are no examples of --crop_to_box" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--dataset=folder/pets", "--folder=nowhere"), "--folder=nowhere is not a folder"),
        (("--dataset=folder/pets", "--boxes_csv=no.csv"), "--boxes_csv=no.csv cannot be read"),
        (("--dataset=folder/pets", "--max_shorter_side=-1"), "--max_shorter_side"),
        (("--dataset=nothing_of_that_name",), "--dataset=nothing_of_that_name is unknown"),
        (("--dataset=folder/pets", "--train_split=learn"), "--train_split=learn"),
        (
            (),
            "is for a folder of images, not for --dataset=digit_scenes; give --dataset=folder/NAME",
        ),
        (("--dataset=folder/..",), "--dataset=folder/.."),
    ],
)
def test_mistakes_are_told_in_one_line(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert message in the_error(err)


def test_links_to_what_is_there_anyway_are_counted(run, images):
    (images / "train/cat/up").symlink_to("..")
    (images / "train/cat/same.png").symlink_to("0.png")
    code, out, _ = run("--dataset=folder/pets")
    assert code == 0
    assert "ignored 2 links to images or folders that are there anyway" in out
    assert "train 10" in out


@pytest.mark.parametrize(
    "settings, least",
    [
        (("--model=tnet", "--cell=0.25", "--locations=1"), 4),
        (("--model=tnet", "--cell=0.25", "--locations=1,1"), 16),
        (("--model=mgnet", "--region_scale=0.1,0.5"), 10),
        (("--model=feedforward", "--cell=0.25"), 2),
    ],
)
def test_images_smaller_than_the_network_needs_are_refused(run, images, settings, least):
    for path in images.glob("*/*/*.png"):
        noise(least, 30).save(path)
    noise(least - 1, 30).save(images / "test/dog/1.png")
    code, _, err = run("--dataset=folder/pets", *settings)
    assert code == 2
    assert f"test/dog/1.png cannot be used: {least - 1} x 30 pixels" in the_error(err)
    noise(least, 30).save(images / "test/dog/1.png")
    assert run("--dataset=folder/pets", *settings)[0] == 0


def test_an_interrupt_while_it_looks_through_the_folder_leaves_nothing(run, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tnet_tf.inputs.builders.folder_search.Search.images", interrupted)
    code, _, err = run("--dataset=folder/pets")
    assert code == 130
    assert err.splitlines()[-1] == "interrupted"
    assert not (tmp_path / "records").exists()


def test_a_bad_image_leaves_nothing_behind(run, images, tmp_path):
    path = images / "test/dog/1.png"
    path.write_bytes(path.read_bytes()[:100])
    code, _, err = run("--dataset=folder/pets")
    assert code == 2
    assert str(path) in err
    assert not list((tmp_path / "records").rglob("*.tfrecord*"))
    path.unlink()
    assert run("--dataset=folder/pets")[0] == 0


def test_sigterm_interrupts_and_leaves_nothing_behind(run, tmp_path, monkeypatch):
    def terminated(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        raise image_files.BadImageError("the signal comes first")

    monkeypatch.setattr(image_files.Reader, "read", terminated)
    code, _, err = run("--dataset=folder/pets")
    assert code == 130
    assert err.splitlines()[-1] == "interrupted"
    assert not (tmp_path / "records/folder").exists()


def test_runs_as_a_program(images, tmp_path):
    for split in ("train", "test"):
        (images / split / "cat").rename(images / split / "猫")
    arguments = [f"--data_dir={tmp_path / 'records'}", f"--folder={images}"]
    program = [sys.executable, "-m", "tnet_tf.prepare", *arguments]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*program, "--dataset=folder/pets"], capture_output=True, text=True, env=ascii_only
    )
    assert done.returncode == 0
    assert r"2 classes: dog, \u732b" in done.stdout
    failed = subprocess.run([*program, "--dataset=folder/../pets"], capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: --dataset=folder/../pets")

import dataclasses

import pytest
from absl.testing import flagsaver

from tnet_tf import flags
from tnet_tf.config import Config
from tnet_tf.errors import UserError
from tnet_tf.flags import read_config


def settings(config):
    return {name: v for part in dataclasses.asdict(config).values() for name, v in part.items()}


def test_without_arguments_every_setting_has_its_default():
    assert read_config() == Config()


def test_every_setting_is_a_flag_of_the_same_name():
    names = settings(Config())
    assert len(names) == sum(len(dataclasses.asdict(Config())[part]) for part in vars(Config()))
    assert set(names) <= set(flags.FLAGS)


def test_values_are_typed():
    config = read_config(
        "--locations=2,1", "--cell=0.25", "--batch_size=8", "--random_flip", "--model=feedforward"
    )
    assert config.model.locations == (2, 1)
    assert config.model.cell == 0.25
    assert config.train.batch_size == 8
    assert config.data.random_flip is True
    assert config.model.model == "feedforward"


@pytest.mark.parametrize(("text", "sides"), [("96", (96, 96)), ("96,64", (96, 64))])
def test_one_number_stands_for_both_sides(text, sides):
    config = read_config(f"--image_size={text}", f"--base_resolution={text}")
    assert config.data.image_size == config.model.base_resolution == sides


def test_later_settings_win_over_those_of_an_included_file(tmp_path):
    (tmp_path / "base.flags").write_text("# shared\n--grid=4\n--cell=0.25\n")
    (tmp_path / "mine.flags").write_text(f"--flagfile={tmp_path}/base.flags\n--cell=0.4\n")
    config = read_config(f"--flagfile={tmp_path}/mine.flags", "--seed=3")
    assert (config.model.grid, config.model.cell, config.train.seed) == (4, 0.4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--no_such_setting=1",), "no_such_setting"),
        (("--grid=three",), "--grid=three"),
        (("--locations=1.5",), "--locations=1.5 takes whole numbers"),
        (("--image_size=96x64",), "--image_size=96x64 takes whole numbers separated by commas"),
        (("--on_bad_image=ignore",), "--on_bad_image=ignore: value should be one of <stop|skip>"),
        (("--flagfile=nowhere.flags",), "nowhere.flags"),
        (("train",), "unexpected argument 'train'"),
    ],
)
def test_mistakes_are_named_in_one_line(arguments, message):
    with pytest.raises(UserError) as error:
        read_config(*arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\x02\xff\xfe\x00", "is not a text file of settings"),
        (b"--grid=4\n\0\0\0", "is not a text file of settings"),
        ("--run_dir=caf\xe9".encode("latin-1"), "is not a text file of settings in UTF-8"),
        (b"--grid=4\n" * 2**17, "is not a text file of settings"),
        (b"--flagfile=mine.flags\n", "--flagfile=mine.flags includes itself"),
        (b"--flagfile=./mine.flags\n", "--flagfile=./mine.flags includes itself"),
        (b"--flagfile=other.flags\n", "--flagfile=mine.flags includes itself; take that line"),
        (b"--flagfile=missing.flags\n", "--flagfile=missing.flags can't be read: No such file"),
        (b"--flagfile=.\n", "--flagfile=. is not a file"),
        (b"--flagfile=/dev/zero\n", "--flagfile=/dev/zero is not a file"),
    ],
)
def test_flag_files_that_are_none_are_named_in_one_line(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.flags").write_bytes(content)
    (tmp_path / "other.flags").write_text("--flagfile=mine.flags\n")
    with pytest.raises(UserError) as error:
        read_config("--flagfile=mine.flags")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--flagfile=FILE",),
        ("-flagfile=FILE",),
        ("--flagfile", "FILE"),
        ("--flagfile=~/mine.flags",),
    ],
)
def test_flag_files_are_read_as_absl_reads_them(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "mine.flags"
    path.write_bytes(
        b"\xef\xbb\xbf# by Andr\xc3\xa9\r\n\r\n// more\r\n  --grid=4  \r\n--random_flip"
    )
    arguments = [argument.replace("FILE", str(path)) for argument in arguments]
    assert read_config("--grid=2", *arguments).model.grid == 4
    assert read_config(*arguments, "--grid=2").model.grid == 2
    assert read_config(*arguments).data.random_flip


def test_a_flag_file_may_be_read_twice(tmp_path):
    (tmp_path / "mine.flags").write_text("--grid=4\n")
    arguments = [f"--flagfile={tmp_path}/mine.flags"] * 2
    assert read_config(*arguments).model.grid == 4


def test_reading_leaves_the_flags_of_the_process_alone():
    before = flags.config_from_flags()
    read_config("--grid=7")
    assert flags.config_from_flags() == before


def test_what_is_typed_is_told_from_what_stands_in_flag_files(tmp_path):
    (tmp_path / "mine.flags").write_text("--grid=4\n--norandom_flip\n")
    arguments = ["train", f"--flagfile={tmp_path}/mine.flags", "--normalization=shared"]
    arguments += ["-seed", "3", "--noauto_augment", "--seed=4", "--cell=0.5"]
    assert flags.typed(arguments) == ["normalization", "seed", "auto_augment", "cell"]
    with flagsaver.flagsaver():
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()
        assert flags.given() == set()
        flags.parse(arguments)
        assert flags.given() == {*flags.typed(arguments), "grid", "random_flip"}

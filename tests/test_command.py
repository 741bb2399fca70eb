import io
import os
import re
import signal
import sys
import warnings

import pytest

from tests.commands import exit_code, the_error
from tests.inputs.images import make_folder
from tnet_tf import benchmark, evaluate, export, prepare, train
from tnet_tf.config import Config
from tnet_tf.config.readers import READERS
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.run import Run
from tnet_tf.training import run_lock

COMMANDS = {
    "prepare": prepare.main,
    "train": train.main,
    "evaluate": evaluate.main,
    "benchmark": benchmark.main,
    "export": export.main,
}
SMALL = (
    "--dataset=folder/pets",
    "--image_size=64",
    "--backbone=plain_cnn",
    "--base_resolution=32",
    "--batch_size=4",
    "--train_steps=2",
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    images = make_folder(folder / "images", {"train": 5, "val": 2})
    flag = f"--data_dir={folder / 'records'}"
    assert exit_code(prepare.main, "--dataset=folder/pets", f"--folder={images}", flag) == 0
    return flag


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        # Flags that do not exist or can't be read.
        ("--learning_rat=1", "Unknown command line flag 'learning_rat'. Did you mean: lear"),
        ("--batch_size=four", "flag --batch_size=four"),
        ("--model=tnt", "flag --model=tnt: value should be one of <tnet|mgnet|feedforward>"),
        ("--locations=2,many", "--locations=2,many takes whole numbers separated by commas"),
        ("--flagfile=missing.flags", "missing.flags"),
        ("stray", "unexpected argument 'stray': settings are given as --name=value"),
        # Flags that contradict each other or the data.
        ("--locations=10", "--locations=10 does not fit a grid of 3 x 3: it must be 1 to 9"),
        ("--locations=0", "--locations=0 does not fit a grid"),
        ("--base_resolution=96", "--base_resolution=96 is larger than the image, which is 64 px"),
        ("--base_resolution=64,65", "--base_resolution=65 is larger than the image"),
        ("--classes=5", "--classes=5, but folder/pets has 2 classes"),
        ("--epochs=3", "give either --train_steps or --epochs"),
        ("--per_feature_levels=3", "--per_feature_levels=3 is more than the 2 levels"),
        ("--monte_carlo_samples=2", "--monte_carlo_samples above 1 repeats the same locations"),
        ("--devices=3", "--batch_size=4 does not divide over --devices=3"),
        ("--crop_to_box", "--crop_to_box needs bounding boxes, and folder/pets has none"),
        # Networks that can't be built.
        ("--backbone=resnet", "--backbone=resnet"),
        ("--grid=9", "--grid=9"),
        ("--pretrained=missing.h5", "missing.h5: no such weights"),
        # Data that is not there.
        ("--dataset=folder/birds", "run: python -m tnet_tf.prepare --dataset=folder/birds"),
        ("--dataset=no_such_dataset", "--dataset=no_such_dataset is unknown"),
        ("--train_split=learn", "--train_split=learn"),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_written(
    records, tmp_path, monkeypatch, capsys, mistake, message
):
    monkeypatch.chdir(tmp_path)
    code = exit_code(train.main, *SMALL, records, "--run_dir=run", mistake)
    assert code == 2
    assert message in the_error(capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("network", [(), ("--model=mgnet", "--rule=joint_classifiers")])
def test_a_loss_that_is_no_number_ends_the_run(records, tmp_path, capsys, network):
    settings = ("--train_steps=20", "--summary_every=1", "--optimizer=sgd", "--learning_rate=1e30")
    code = exit_code(train.main, *SMALL, *settings, *network, records, f"--run_dir={tmp_path}")
    assert code == 2
    assert "lower --learning_rate" in the_error(capsys.readouterr().err)
    assert not list(tmp_path.glob("checkpoints/*"))


def test_prepares_trains_and_evaluates(records, tmp_path, capsys):
    settings = (*SMALL, records, f"--run_dir={tmp_path}", "--checkpoint_every=2")
    assert exit_code(train.main, *settings) == 0
    assert re.search(rf"done: 2 steps, .*model in {tmp_path}/best\.keras", capsys.readouterr().out)
    assert exit_code(train.main, *settings, "--lambda_f=0.5") == 2
    assert "--lambda_f was 0.1, now 0.5" in the_error(capsys.readouterr().err)
    assert exit_code(evaluate.main, f"--run_dir={tmp_path}") == 0
    assert "top-1" in capsys.readouterr().out


def test_two_trainings_do_not_share_a_folder(records, tmp_path, capsys):
    with run_lock.held(Run(tmp_path)):
        assert exit_code(train.main, *SMALL, records, f"--run_dir={tmp_path}") == 2
    line = the_error(capsys.readouterr().err)
    assert f"--run_dir={tmp_path}: another training is running there" in line
    assert not list(tmp_path.iterdir())


def shown(capsys):
    """What a command printed, and the names of the settings in it."""
    text = capsys.readouterr().out
    return text, re.findall(r"^  --(?:\[no\])?(\w+):", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_the_command_and_the_settings_that_it_reads(name, capsys):
    assert exit_code(COMMANDS[name], "--help") == 0
    text, settings = shown(capsys)
    assert f"Example: python -m tnet_tf.{name} --" in text
    assert sorted(settings) == sorted(READERS[name])
    assert ("the run's own" in text) == (name in ("evaluate", "export"))
    assert "--helpfull shows the settings of other commands, too" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_full_help_shows_all_settings_those_that_the_command_reads_first(name, capsys):
    assert exit_code(COMMANDS[name], "--helpfull") == 0
    text, settings = shown(capsys)
    assert f"Example: python -m tnet_tf.{name} --" in text
    read = len(READERS[name])
    assert set(settings[:read]) == READERS[name]
    assert sorted(settings) == sorted(field.name for field in Config.settings())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "prepare",
            ("--batch_size=4",),
            "prepare does not read --batch_size, settings of train, benchmark; leave it out",
        ),
        ("train", ("--sets", "3"), "train does not read --sets, settings of benchmark"),
        ("train", ("--folder=pets",), "train does not read --folder, settings of prepare"),
        (
            "evaluate",
            ("--random_flip", "--grid=3", "--noauto_augment"),
            "evaluate does not read --random_flip, --auto_augment, settings of train, benchmark; "
            "leave them out",
        ),
        ("benchmark", ("--epochs=3",), "benchmark does not read --epochs, settings of train"),
        (
            "export",
            ("--epochs=3", "--sets=4"),
            "export does not read --epochs, --sets; leave them out",
        ),
    ],
)
def test_settings_without_effect_are_refused(name, arguments, message, tmp_path, capsys):
    # Flag files are shared by commands: what stands there is refused by none.
    (tmp_path / "shared.flags").write_text("--epochs=3\n--sets=7\n--format=onnx\n--folder=x\n")
    shared = f"--flagfile={tmp_path / 'shared.flags'}"
    assert exit_code(COMMANDS[name], *arguments, shared) == 2
    assert message in the_error(capsys.readouterr().err)
    read = [f"--run_dir={tmp_path / 'nothing'}"] * (name != "prepare")
    data = (f"--data_dir={tmp_path / 'nothing'}", "--dataset=no_such_dataset", "--image_size=32")
    exit_code(COMMANDS[name], shared, *read, *data[: None if name != "prepare" else 2])
    assert "does not read" not in capsys.readouterr().err


def test_interrupted_commands_say_so(capsys):
    def interrupted(config):
        raise KeyboardInterrupt("after a step")

    assert exit_code(interrupted) == 130
    assert capsys.readouterr().err == "interrupted; after a step\n"


def test_sigterm_interrupts_as_sigint_does(capsys):
    before, removed = signal.getsignal(signal.SIGTERM), []

    def terminated(config):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            removed.append("what is unfinished")

    assert exit_code(terminated) == 130
    assert removed
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_the_terminal_cannot_show_is_escaped(monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])

    def shows(config):
        print("class 猫, file \udcff")
        raise UserError("no class 猫")

    assert exit_code(shows) == 2
    shown = [stream.buffer.getvalue() for stream in streams if not stream.flush()]
    assert shown == [rb"class \u732b, file \udcff" b"\n", rb"error: no class \u732b" b"\n"]


def test_a_users_mistake_stays_one_line_whatever_names_it_quotes(capsys):
    def mistaken(config):
        raise UserError("no folder 'a\nb\x1b[2J猫'")

    assert exit_code(mistaken) == 2
    assert capsys.readouterr().err == r"error: no folder 'a\nb\x1b[2J猫'" + "\n"


def test_doubtful_settings_are_told_once_in_one_line(capsys):
    def doubtful(config):
        for _ in range(2):
            warnings.warn("--it is hardly\nmeant", DoubtfulSettings, stacklevel=1)

    assert exit_code(doubtful) == 0
    assert capsys.readouterr().err == r"warning: --it is hardly\nmeant" + "\n"


def test_other_warnings_stay_what_they_are():
    def warns(config):
        warnings.warn("a library's", DeprecationWarning, stacklevel=1)

    with pytest.warns(DeprecationWarning, match="a library's"):
        exit_code(warns)


def test_bugs_are_not_hidden():
    def broken(config):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code(broken)


def test_commands_get_the_settings_of_the_command_line():
    got = []
    assert exit_code(got.append, "--grid=4", "--learning_rate=0.5") == 0
    (config,) = got
    assert isinstance(config, Config)
    assert (config.model.grid, config.train.learning_rate) == (4, 0.5)


def test_a_users_mistake_is_one_line(capsys):
    def mistaken(config):
        raise UserError("--it is wrong; give another")

    assert exit_code(mistaken) == 2
    assert capsys.readouterr().err == "error: --it is wrong; give another\n"

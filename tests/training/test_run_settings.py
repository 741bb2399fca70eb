import dataclasses
import json

import pytest

from tests.networks import TINY
from tnet_tf.config import Config, DataConfig, EvalConfig, TrainConfig
from tnet_tf.config.readers import of
from tnet_tf.config.setting import Part
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.run import Run
from tnet_tf.training.checkpoints import keep_config
from tnet_tf.training.run_settings import of_run


@pytest.fixture
def trained(tmp_path):
    """Settings of a run; it says of itself that it lies elsewhere."""
    config = Config(
        data=DataConfig(dataset="folder/pets", image_size=(96, 64), validation_split="train[:9]"),
        model=TINY,
        eval=EvalConfig(checkpoint="last"),
        train=TrainConfig(run_dir=str(tmp_path), learning_rate=0.5, train_steps=7),
    )
    keep_config(config)
    Run(tmp_path).settings.write_text(config.to_json().replace(str(tmp_path), "runs/moved"))
    return config


def given(trained, **settings):
    """What `of_run` makes of these settings; all others have their defaults."""
    config = Config(train=TrainConfig(run_dir=trained.train.run_dir))
    for name, value in settings.items():
        section = next(s for s, part in vars(config).items() if hasattr(part, name))
        changed = dataclasses.replace(getattr(config, section), **{name: value})
        config = dataclasses.replace(config, **{section: changed})
    return of_run(config, settings)


def test_without_settings_all_are_the_run_s_in_the_folder_that_is_given(trained, capsys):
    assert given(trained) == trained
    assert capsys.readouterr().out == ""


def test_what_is_given_takes_the_place_of_the_run_s_even_if_it_is_the_default(trained, capsys):
    config = given(trained, checkpoint="best", figure_images=0, eval_batch_size=3)
    assert config.eval == EvalConfig(checkpoint="best", figure_images=0, eval_batch_size=3)
    # These make no other measurement.
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("image_size", (224, 224), "--image_size=224,224 differs from the run's 96,64"),
        ("dataset", "folder/birds", "--dataset=folder/birds differs from the run's folder/pets"),
        ("data_dir", "elsewhere", "--data_dir=elsewhere differs from the run's data/records"),
        ("test_split", "val", "--test_split=val differs from the run's default"),
        ("validation_split", "", "--validation_split= differs from the run's train[:9]"),
        ("locations", (5,), "--locations=5 differs from the run's 2"),
        ("eval_locations", (5,), "--eval_locations=5 differs from the run's 2"),
        ("eval_locations", (2,), ""),
        ("dataset", "folder/pets", ""),
        ("data_workers", 3, ""),
        *((name, 0.5, "") for name in sorted(of(Part.NOISE) - {"sampling"})),
    ],
)
def test_other_conditions_are_used_and_said(trained, name, value, said, capsys):
    config = given(trained, **{name: value})
    assert value in [vars(section).get(name) for section in vars(config).values()]
    assert capsys.readouterr().out.strip() == said


def test_another_network_is_refused(trained):
    with pytest.raises(UserError, match=r"holds another network: .*--grid was 3, now 4$"):
        given(trained, grid=4, backbone=TINY.backbone)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match=f"--run_dir={tmp_path} holds no run; train one first"):
        of_run(Config(train=TrainConfig(run_dir=str(tmp_path))), ())


def test_settings_of_other_versions_are_left_out_where_they_do_not_matter(trained):
    path = Run(trained.train.run_dir).settings
    values = json.loads(path.read_text())
    values["benchmark"]["stopwatch"] = "sun dial"
    values["eval"].pop("figure_images")
    path.write_text(json.dumps(values))
    with pytest.warns(DoubtfulSettings, match="does not know are left out: --stopwatch"):
        assert given(trained) == trained
    values["model"]["retina"] = True
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"not a settings file of this version: .*'retina'"):
        given(trained)

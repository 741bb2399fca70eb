import dataclasses
import json

import pytest

from tests.networks import TINY
from tnet_tf.config import Config, EvalConfig, LearningConfig, TrainConfig, stored
from tnet_tf.errors import UserError
from tnet_tf.layers.grid import cell_layout

GOOD = Config(train=TrainConfig(train_steps=10), model=TINY)


def changed(section, **changes):
    return dataclasses.replace(
        GOOD, **{section: dataclasses.replace(getattr(GOOD, section), **changes)}
    )


def test_good_settings_pass():
    GOOD.check()


@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [
        ("data", "data_dir", ""),
        ("data", "image_size", (224, 224, 3)),
        ("data", "image_size", (0, 224)),
        ("data", "image_size", ()),
        ("data", "shuffle_buffer", 0),
        ("data", "data_workers", -1),
        ("data", "translation", 1.0),
        ("data", "rotation", 181.0),
        ("data", "max_shorter_side", -1),
        ("data", "max_pixels", 0),
        ("data", "least_crop_area", 0.0),
        ("data", "crop_aspect", 1.5),
        ("model", "spatial_dropout", 1.0),
        ("model", "dropout", -0.1),
        ("model", "stochastic_depth", 1.5),
        ("model", "dropout", float("nan")),
        ("model", "classes", -1),
        ("model", "base_resolution", (0, 32)),
        ("model", "base_resolution", (225, 32)),
        ("model", "base_resolution", (32, 32, 32)),
        ("model", "grid", 1),
        ("model", "cell", 0.0),
        ("model", "cell", 1.0),
        ("model", "cell", float("nan")),
        ("model", "locations", ()),
        ("model", "locations", (2, 10)),
        ("model", "locations", (-1,)),
        ("learning", "rule", "joint_classifiers"),
        ("learning", "glimpse_weight", 1.5),
        ("learning", "lambda_c", 1.5),
        ("learning", "lambda_r", -0.5),
        ("learning", "lambda_f", -1.0),
        ("learning", "lambda_f", float("inf")),
        ("learning", "l2_weight", -1.0),
        ("learning", "lambda_con", float("nan")),
        ("learning", "alpha", 2.0),
        ("learning", "per_feature_levels", -1),
        ("learning", "per_feature_levels", 3),
        ("learning", "label_smoothing", 1.0),
        ("learning", "class_weights", "even"),
        ("learning", "class_weights", "1,,2"),
        ("learning", "class_weights", "1,0"),
        ("learning", "class_weights", "1,inf"),
        ("learning", "class_weights", "1,nan"),
        ("learning", "monte_carlo_samples", 0),
        ("learning", "monte_carlo_samples", 2),
        ("train", "run_dir", ""),
        ("train", "batch_size", 0),
        ("train", "train_steps", -1),
        ("train", "train_steps", 0),
        ("train", "epochs", 1),
        ("train", "learning_rate", 0.0),
        ("train", "learning_rate", float("nan")),
        ("train", "learning_rate", float("inf")),
        ("train", "pretrained_learning_rate", -1.0),
        ("train", "learning_rate_drop_at", 0.0),
        ("train", "learning_rate_drop_at", 1.1),
        ("train", "learning_rate_drop", -0.1),
        ("train", "learning_rate_drop", 0.0),
        ("train", "warm_up", 0.0),
        ("train", "adam_epsilon", 0.0),
        ("train", "weight_decay", -0.1),
        ("train", "weight_decay", 0.01),
        ("train", "optimizer", "adamw"),
        ("train", "gradient_clip", -1.0),
        ("train", "gradient_clip", float("inf")),
        ("train", "weight_average", 1.0),
        ("train", "early_stopping", -1),
        ("train", "momentum", 1.0),
        ("train", "momentum", -0.5),
        ("train", "momentum_cycle", (0.9,)),
        ("train", "momentum_cycle", (0.85, 0.95)),
        ("train", "momentum_cycle", (1.0, 0.85)),
        ("train", "checkpoint_every", -1),
        ("train", "summary_every", 0),
        ("train", "evaluate_every", -1),
        ("train", "summary_images", -1),
        ("train", "profile_steps", (5,)),
        ("train", "profile_steps", (0, 5)),
        ("train", "profile_steps", (6, 5)),
        ("train", "devices", -1),
        ("train", "devices", 3),
        ("train", "seed", -1),
        ("eval", "eval_batch_size", 0),
        ("eval", "figure_images", -1),
        ("eval", "eval_locations", (10,)),
    ],
)
def test_values_out_of_range_are_named(section, setting, value):
    with pytest.raises(UserError, match=f"--{setting}") as error:
        changed(section, **{setting: value}).check()
    assert "\n" not in str(error.value)


def test_weight_decay_is_adamw_s():
    changed("train", optimizer="adamw", weight_decay=0.01).check()
    for optimizer in ("adam", "sgd"):
        message = rf"--weight_decay=0.01 has no effect on --optimizer={optimizer}; use --optimizer"
        with pytest.raises(UserError, match=message):
            changed("train", optimizer=optimizer, weight_decay=0.01).check()
    with pytest.raises(UserError, match="--optimizer=adamw needs --weight_decay, such as"):
        changed("train", optimizer="adamw").check()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("none", ()), ("balanced", ()), ("2", (2.0,)), ("1,0.5,3e1", (1.0, 0.5, 30.0))],
)
def test_class_weights_are_a_word_or_numbers(text, numbers):
    config = changed("learning", class_weights=text)
    config.check()
    assert config.learning.given_class_weights() == numbers


def test_a_feedforward_network_has_no_grid_to_fit():
    changed("model", model="feedforward", grid=1, locations=(99,)).check()


def test_levels_are_the_thumbnail_and_one_for_each_number_of_locations():
    assert [dataclasses.replace(TINY, locations=n).levels for n in ((3,), (2, 1))] == [2, 3]


def test_settings_survive_json():
    config = Config(
        model=dataclasses.replace(TINY, locations=(2, 1)),
        learning=LearningConfig(lambda_f=0.25),
        eval=EvalConfig(eval_locations=(3, 2)),
    )
    assert Config.from_json(config.to_json()) == config


def test_every_setting_has_a_help_text():
    for section in dataclasses.fields(Config):
        for field in dataclasses.fields(section.default_factory):
            assert field.metadata["help"].endswith(".")


MGNET = changed("model", model="mgnet", locations=(2,))
MGNET = dataclasses.replace(MGNET, learning=LearningConfig(rule="joint_classifiers"))


def test_mgnet_takes_any_number_of_glimpses_and_no_grid():
    for locations in ((0,), (30,)):
        model = dataclasses.replace(MGNET.model, locations=locations, grid=1)
        dataclasses.replace(MGNET, model=model).check()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("locations", ()),
        ("locations", (2, 1)),
        ("locations", (-1,)),
        ("region_scale", (0.2,)),
        ("region_scale", (0.5, 0.2)),
        ("region_scale", (0.0, 0.5)),
        ("region_scale", (0.2, 1.5)),
        ("gradient_scale", -0.1),
    ],
)
def test_bad_settings_of_mgnet_are_named(setting, value):
    model = dataclasses.replace(MGNET.model, **{setting: value})
    with pytest.raises(UserError, match=f"--{setting}"):
        dataclasses.replace(MGNET, model=model).check()


def test_each_network_that_looks_has_its_own_learning_rule():
    with pytest.raises(UserError, match="--rule=joint_classifiers, not by --rule=reinforce"):
        dataclasses.replace(MGNET, learning=LearningConfig()).check()


def test_settings_of_earlier_versions_are_read():
    values = json.loads(GOOD.to_json())
    del values["robustness"], values["train"]["schedule"], values["train"]["precision"]
    values["benchmark"]["precision"] = "bfloat16"
    assert Config.from_json(json.dumps(values)) == GOOD


@pytest.mark.parametrize(("before", "now"), stored.RENAMED.items())
def test_renamed_settings_of_earlier_versions_are_read(before, now):
    config = changed("data", least_crop_area=0.3)
    values = json.loads(config.to_json())
    (section,) = (section for section in values.values() if now in section)
    section[before] = section.pop(now)
    assert section[before] == 0.3
    assert Config.from_json(json.dumps(values)) == config


@pytest.mark.parametrize(
    ("section", "setting", "value", "message"),
    [
        ("model", "grid", "three", "grid can't be 'three'"),
        ("model", "grid", True, "grid can't be True"),
        ("model", "grid", None, "grid can't be None"),
        ("model", "locations", 2, "locations can't be 2"),
        ("model", "locations", [2, "1"], r"locations can't be \[2, '1'\]"),
        ("model", "backbone", ["resnet18"], r"backbone can't be \['resnet18'\]"),
        ("model", "model", "tnat", "model can't be 'tnat'"),
        ("train", "deterministic", 1, "deterministic can't be 1"),
        ("train", "run_dyr", "runs/mine", "no setting 'run_dyr'"),
    ],
)
def test_stored_settings_are_of_their_types(section, setting, value, message):
    values = json.loads(GOOD.to_json())
    values[section][setting] = value
    with pytest.raises(ValueError, match=message):
        Config.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "7", '{"model": []}', '{"modal": {}}', "[" * 100_000])
def test_text_that_holds_no_settings_is_refused(text):
    with pytest.raises(ValueError):
        Config.from_json(text)


def test_whole_numbers_are_numbers():
    values = json.loads(GOOD.to_json())
    values["train"]["learning_rate"] = 1
    assert Config.from_json(json.dumps(values)).train.learning_rate == 1.0


@pytest.mark.parametrize("locations", [(1,), (1, 1), (1, 1, 1)])
@pytest.mark.parametrize("cell", [0.05, 0.25, 0.34375, 0.5, 0.7, 0.9])
def test_from_the_least_image_side_on_every_cell_has_a_pixel(cell, locations):
    least = dataclasses.replace(TINY, cell=cell, locations=locations).least_image_side()
    for side in range(least, least + 50):
        for _ in locations:
            side, _, _ = cell_layout(side, TINY.grid, cell)
            assert side >= 1


def test_cells_without_a_pixel_are_refused():
    small = dataclasses.replace(GOOD.data, image_size=(4, 8))
    model = dataclasses.replace(GOOD.model, base_resolution=(4, 4), cell=0.5, locations=(1, 1))
    dataclasses.replace(GOOD, data=small, model=model).check()
    model = dataclasses.replace(model, cell=0.49)
    with pytest.raises(UserError, match=r"--image_size=4,8 leaves regions .* need 5 px"):
        dataclasses.replace(GOOD, data=small, model=model).check()

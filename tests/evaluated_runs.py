"""Runs as training leaves them, with untrained networks, to evaluate."""

import dataclasses

from tests.inputs.images import make_folder
from tests.networks import TINY
from tnet_tf.config import Config, DataConfig, EvalConfig, TrainConfig
from tnet_tf.inputs import catalog
from tnet_tf.models.factory import build_model
from tnet_tf.run import Run
from tnet_tf.training.checkpoints import keep_config

CLASSES = ("ant", "bee", "cat")


def prepared(folder, classes, name="insects"):
    """Settings of a prepared folder of images: 4 of each class to train on, 3 to test."""
    source = make_folder(folder / name, {"train": 4, "test": 3}, classes)
    data = DataConfig(
        dataset=f"folder/{name}",
        data_dir=str(folder / "records"),
        folder=str(source),
        image_size=(64, 48),
    )
    catalog.prepare_dataset(data)
    return data


def with_run(config):
    """Leaves what training leaves: settings and a best model, here an untrained one."""
    keep_config(config)
    build_model(config.model, len(CLASSES)).save(Run(config.train.run_dir).best)
    return config


def untrained_run(data, folder):
    """Settings of a run on these data, as training would leave it there."""
    return with_run(
        Config(
            data=data,
            model=TINY,
            train=TrainConfig(run_dir=str(folder / "run")),
            eval=EvalConfig(eval_batch_size=4, figure_images=2, gaze_baselines=False),
        )
    )


def change(config, section, **changes):
    return dataclasses.replace(
        config, **{section: dataclasses.replace(getattr(config, section), **changes)}
    )


def written(config):
    """Where the results are."""
    return Run(config.train.run_dir).evaluation

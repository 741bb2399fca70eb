"""A short run on small scenes, with everything in it that is random."""

import pathlib

import numpy as np
import tensorflow as tf

from tnet_tf.config import Config
from tnet_tf.flags import read_config
from tnet_tf.inputs import catalog

SETTINGS = (
    "--dataset=digit_scenes/96x64",
    "--image_size=96,64",
    "--random_flip",
    "--validation_split=validation[:16]",
    "--backbone=plain_cnn",
    "--base_resolution=48,32",
    "--locations=2",
    "--normalization=per_level",
    "--sampling=without_replacement",
    "--dropout=0.2",
    "--batch_size=8",
    "--eval_batch_size=16",
    "--summary_images=0",
    "--deterministic",
)
# What makes such a run compile soon: a network without locations, on small images.
FEEDFORWARD = (
    "--model=feedforward",
    "--normalization=shared",
    "--sampling=top_k",
    "--image_size=32",
)
# All that adds to the state of a run.
EVERYTHING = (
    "--optimizer=adamw",
    "--weight_decay=0.1",
    "--gradient_clip=1",
    "--label_smoothing=0.1",
    "--class_weights=balanced",
    "--weight_average=0.9",
    "--early_stopping=9",
)


def prepared(folder: pathlib.Path) -> str:
    """Prepares the records in `folder`; returns the flag that names it."""
    flag = f"--data_dir={folder}"
    catalog.prepare_dataset(read_config(*SETTINGS, flag).data)
    return flag


def short_run(*arguments: str) -> Config:
    """Settings of a run of 4 steps with 2 checkpoints, and what else the arguments say."""
    return read_config(*SETTINGS, "--train_steps=4", "--checkpoint_every=2", *arguments)


def saved_state(run_dir: pathlib.Path) -> dict[str, np.ndarray]:
    """Everything in the last checkpoint by name, but for how often the run was saved."""
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints"))
    names = (name for name in reader.get_variable_to_shape_map() if name.endswith("_VALUE"))
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}

"""Which settings each command reads.

A command refuses others on its command line; in a flag file, which commands share, they may stand.
"""

import dataclasses
from typing import Any

from tnet_tf.config.commands import BenchmarkConfig, EvalConfig, ExportConfig
from tnet_tf.config.data import DataConfig
from tnet_tf.config.learning import LearningConfig
from tnet_tf.config.model import ModelConfig
from tnet_tf.config.robustness import RobustnessConfig
from tnet_tf.config.training import TrainConfig


def _all(*sections: Any) -> frozenset[str]:
    return frozenset(field.name for section in sections for field in dataclasses.fields(section))


# How records are made of a folder of images.
_PREPARING = {"folder", "boxes_csv", "max_shorter_side", "max_pixels", "on_bad_image"}
# What decides how small an image may be.
_REGIONS = {"model", "grid", "cell", "region_scale", "gradient_scale", "locations"}
# How training images are augmented and shuffled.
_TRAINING_IMAGES = {
    "random_crop",
    "crop_method",
    "crop_area",
    "crop_aspect",
    "random_resize",
    "random_flip",
    "auto_augment",
    "color_distortion",
    "translation",
    "rotation",
    "shuffle_buffer",
}
# Noise of a network, which is off outside of training.
NOISE = {"sampling", "dropout", "spatial_dropout", "stochastic_depth"}
# How long a run is, what it leaves, and what it takes from the images of a dataset.
_PROGRESS = {
    "train_steps",
    "epochs",
    "pretrained",
    "deterministic",
    "devices",
    "checkpoint_every",
    "evaluate_every",
    "summary_every",
    "summary_images",
    "profile_steps",
    "early_stopping",
    "class_weights",
}

# A network that was trained, and the images on which it is tried.
_TRAINED = _all(DataConfig, ModelConfig) - _PREPARING - _TRAINING_IMAGES - NOISE | {"run_dir"}

READERS: dict[str, frozenset[str]] = {
    "prepare": _all(DataConfig) - _TRAINING_IMAGES - {"image_size", "data_workers"} | _REGIONS,
    "train": _all(DataConfig, ModelConfig, LearningConfig, TrainConfig) - _PREPARING
    | {"eval_batch_size"},
    "evaluate": _TRAINED | _all(EvalConfig, RobustnessConfig),
    "export": _TRAINED | _all(ExportConfig) | {"checkpoint", "eval_batch_size"},
    "benchmark": _all(DataConfig, ModelConfig, LearningConfig, TrainConfig, BenchmarkConfig)
    - _PREPARING
    - _PROGRESS
    | {"report_dir"},
    "demo": frozenset(),
}

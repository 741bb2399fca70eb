"""Which settings each command reads.

A command refuses others on its command line; in a flag file, which commands share, they may stand.
"""

import dataclasses
from typing import Any

from tnet_tf.config import Config
from tnet_tf.config.commands import BenchmarkConfig, EvalConfig, ExportConfig
from tnet_tf.config.data import DataConfig
from tnet_tf.config.learning import LearningConfig
from tnet_tf.config.model import ModelConfig
from tnet_tf.config.robustness import RobustnessConfig
from tnet_tf.config.setting import Part
from tnet_tf.config.training import TrainConfig


def of(part: Part) -> frozenset[str]:
    """Names of the settings that are a part of their section."""
    return frozenset(f.name for f in Config.settings() if f.metadata["part"] is part)


def _all(*sections: Any) -> frozenset[str]:
    return frozenset(field.name for section in sections for field in dataclasses.fields(section))


_FOLDER, _TRAINING_IMAGES, _NOISE = map(of, (Part.FOLDER, Part.TRAINING_IMAGES, Part.NOISE))

# A network that was trained, and the images on which it is tried.
_TRAINED = _all(DataConfig, ModelConfig) - _FOLDER - _TRAINING_IMAGES - _NOISE | {"run_dir"}

READERS: dict[str, frozenset[str]] = {
    "prepare": _all(DataConfig) - _TRAINING_IMAGES - of(Part.SPEED) - {"image_size"}
    | of(Part.REGIONS),
    "train": _all(DataConfig, ModelConfig, LearningConfig, TrainConfig) - _FOLDER
    | {"eval_batch_size"},
    "evaluate": _TRAINED | _all(EvalConfig, RobustnessConfig),
    "export": _TRAINED | _all(ExportConfig) | {"checkpoint", "eval_batch_size"},
    "benchmark": _all(DataConfig, ModelConfig, LearningConfig, TrainConfig, BenchmarkConfig)
    - _FOLDER
    - of(Part.PROGRESS)
    | {"report_dir"},
    "demo": frozenset(),
}

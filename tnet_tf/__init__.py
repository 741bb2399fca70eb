"""TNet and MGNet: hard attention for scalable image classification, in TensorFlow 2 and Keras 3.

The names below are what a notebook needs to build, train, save and load a network; importing them
also tells Keras how to load a saved one. Data are in `tnet_tf.inputs`, measurements in
`tnet_tf.evaluation`; the commands are `tnet_tf.prepare`, `train`, `evaluate`, `benchmark` and
`export`.
"""

import os

# TensorFlow's remarks on itself would bury what commands say. It reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from tnet_tf.batch import Batch
from tnet_tf.config import Config, DataConfig, LearningConfig, ModelConfig, TrainConfig
from tnet_tf.errors import UserError
from tnet_tf.models.backbone import Backbone
from tnet_tf.models.bagnet import BagNet77
from tnet_tf.models.efficientnet import EfficientNet
from tnet_tf.models.factory import build_model
from tnet_tf.models.feedforward import FeedForward
from tnet_tf.models.mgnet import MGNet
from tnet_tf.models.plain_cnn import PlainCNN
from tnet_tf.models.resnet import ResNet
from tnet_tf.models.tnet import TNet
from tnet_tf.models.weights.load import LoadReport, load_pretrained
from tnet_tf.outputs import Outputs
from tnet_tf.serving import keras_export  # noqa: F401
from tnet_tf.training import keras_fit  # noqa: F401
from tnet_tf.training.step import make_train_step

__all__ = [
    "Backbone",
    "BagNet77",
    "Batch",
    "Config",
    "DataConfig",
    "EfficientNet",
    "FeedForward",
    "LearningConfig",
    "LoadReport",
    "MGNet",
    "ModelConfig",
    "Outputs",
    "PlainCNN",
    "ResNet",
    "TNet",
    "TrainConfig",
    "UserError",
    "build_model",
    "load_pretrained",
    "make_train_step",
]

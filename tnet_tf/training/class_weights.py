"""Weights of classes in the loss, for data in which some classes are rare."""

from collections.abc import Sequence

import numpy as np

from tnet_tf.config import LearningConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import pipeline
from tnet_tf.inputs.dataset import Dataset


def class_weights(config: LearningConfig, dataset: Dataset) -> tuple[float, ...]:
    """The numbers that --class_weights stands for, one for each class; empty for 'none'.

    Raises:
      UserError: when there are more or fewer numbers than classes, or records can't be read.
    """
    if config.class_weights == "balanced":
        return balanced(pipeline.class_counts(dataset, dataset.train_split))
    first, last = dataset.classes[0], dataset.classes[-1]
    there_are = f"{dataset.name} has {len(dataset.classes)} classes ({first} .. {last})"
    return _one_for_each(config.given_class_weights(), len(dataset.classes), there_are)


def given_weights(config: LearningConfig, classes: int) -> tuple[float, ...]:
    """The same where there is no dataset, but a network of so many classes.

    Raises:
      UserError: when the weights are to be computed from data, or are of another number of classes.
    """
    if config.class_weights == "balanced":
        raise UserError(
            "class_weights='balanced' needs the labels of all training images, which only the "
            "command train reads; give fit their class_weight, or a number for each class here"
        )
    there_are = f"the network knows {classes} classes"
    return _one_for_each(config.given_class_weights(), classes, there_are)


def _one_for_each(given: tuple[float, ...], classes: int, there_are: str) -> tuple[float, ...]:
    if given and len(given) != classes:
        raise UserError(
            f"--class_weights has {len(given)} numbers, but {there_are}; give one for each, in "
            "the order of the labels"
        )
    return given


def balanced(counts: Sequence[int] | np.ndarray) -> tuple[float, ...]:
    """Weights under which all classes weigh the same: images / (classes * images of the class).

    Classes without any image do not count, and weigh 0.

    Args:
      counts: how many images each class has.
    """
    per_class = np.asarray(counts, np.float64)
    divisors = np.count_nonzero(per_class) * per_class
    weights = np.divide(per_class.sum(), divisors, np.zeros_like(per_class), where=per_class > 0)
    return tuple(weights.tolist())

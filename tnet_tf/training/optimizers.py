"""Optimisers, one per group of layers (paper 5.1, appendix 2.2)."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import keras

from tnet_tf.config import TrainConfig
from tnet_tf.training.momentum import MomentumSGD
from tnet_tf.training.schedules import learning_rate_schedule, momentum_schedule


class LayerGroup(NamedTuple):
    """Weights that share an optimiser.

    Attributes:
      name: 'new', or 'pretrained' for weights that were loaded.
      optimizer: with its state built.
      variables: the weights it updates.
    """

    name: str
    optimizer: keras.optimizers.Optimizer
    variables: list[keras.Variable]


def make_groups(
    variables: Mapping[str, keras.Variable],
    pretrained: Collection[str],
    steps: int,
    config: TrainConfig,
) -> list[LayerGroup]:
    """Splits trainable weights into new and pretrained ones, each with its own optimiser.

    Args:
      variables: trainable weights by name.
      pretrained: names of those that were loaded.
      steps: of the whole run.
      config: optimiser and learning rates.

    Returns:
      One or two groups; every variable is in exactly one.
    """
    rates = {"new": config.learning_rate}
    split = config.pretrained_learning_rate > 0
    if split:
        rates["pretrained"] = config.pretrained_learning_rate
    groups = []
    for name, rate in rates.items():
        members = [
            variable
            for key, variable in variables.items()
            if not split or (key in pretrained) == (name == "pretrained")
        ]
        if members:
            optimizer = _optimizer(rate, steps, config, name)
            if config.weight_decay:
                # As is usual, biases and BatchNorm's weights do not decay; all others are matrices.
                vectors = [variable for variable in members if len(variable.shape) < 2]
                optimizer.exclude_from_weight_decay(vectors)
            optimizer.build(members)
            groups.append(LayerGroup(name, optimizer, members))
    return groups


def _optimizer(
    rate: float, steps: int, config: TrainConfig, name: str
) -> keras.optimizers.Optimizer:
    schedule = learning_rate_schedule(rate, steps, config)
    if config.optimizer == "sgd":
        return MomentumSGD(schedule, momentum_schedule(steps, config), name=f"sgd_{name}")
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(
            schedule,
            weight_decay=config.weight_decay,
            epsilon=config.adam_epsilon,
            name=f"adamw_{name}",
        )
    return keras.optimizers.Adam(schedule, epsilon=config.adam_epsilon, name=f"adam_{name}")

"""Settings of the learning rules."""

import dataclasses
import math
from typing import NamedTuple

from tnet_tf.config.networks import (
    NETWORKS,
    Attention,
    CellAttention,
    GlimpseAttention,
    NoAttention,
)
from tnet_tf.config.setting import Part, require, require_finite, setting


class Rule(NamedTuple):
    """A learning rule.

    Attributes:
      implementation: its class, as 'module:class'; settings can't import what reads them.
      attention: kinds of attention that it teaches.
    """

    implementation: str
    attention: tuple[type[Attention], ...]

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that learn by it, values of --model."""
        rows = NETWORKS.items()
        return tuple(name for name, row in rows if isinstance(row.attention, self.attention))


# Learning rules by name; the first of a network's rules is its usual one. New rules are rows.
RULES: dict[str, Rule] = {
    "reinforce": Rule("tnet_tf.learning.reinforce:Reinforce", (CellAttention, NoAttention)),
    "joint_classifiers": Rule(
        "tnet_tf.learning.joint_classifiers:JointClassifiers", (GlimpseAttention, NoAttention)
    ),
}


def rules_of(model: str) -> tuple[str, ...]:
    """Names of the rules by which a network learns, its usual one first."""
    return tuple(name for name, rule in RULES.items() if model in rule.networks)


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """The learning rules: TNet's (paper 4, appendix 1 and eq. 9) and MGNet's (its section 3.4)."""

    rule: str = setting(
        "reinforce",
        "Learning rule, with the networks that learn by it: "
        + ", ".join(f"'{name}' ({', '.join(rule.networks)})" for name, rule in RULES.items())
        + ". For feed-forward networks, 'reinforce' and 'joint_classifiers' are cross-entropy.",
        choices=tuple(RULES),
        usual=True,
    )
    glimpse_weight: float = setting(
        0.6, "Share of the glimpse classifier in MGNet's loss (alpha of its eq. 6)."
    )
    glimpse_loss: str = setting(
        "after_first",
        "Glimpses that the glimpse classifier's loss is averaged over: those 'after_first' (the "
        "published code's 2..T) or 'all' (MGNet paper, eq. 8).",
        choices=("after_first", "all"),
    )
    lambda_f: float = setting(0.1, "Weight of the REINFORCE terms (eq. 1).")
    lambda_c: float = setting(
        0.3,
        "Share of the whole sequence in the classification loss (eq. 3); 1: no per-feature loss.",
    )
    lambda_r: float = setting(
        0.3, "Share of the whole sequence in the rewards (eq. 3); 1: no per-feature reward."
    )
    per_feature_levels: int = setting(
        0, "Levels whose features are regularised one by one (4.2), counted from 1; 0: all."
    )
    monte_carlo_samples: int = setting(
        1,
        "Location sequences sampled per image (M of eq. 1); above 1 needs "
        "--sampling=without_replacement.",
    )
    l2_weight: float = setting(
        0.0, "Weight of the sum of squares of the weights, BatchNorm's left out."
    )
    lambda_con: float = setting(0.0, "Weight of the contrastive loss (appendix eq. 9).")
    alpha: float = setting(0.4, "Similarity that features of different classes may reach (eq. 9).")
    label_smoothing: float = setting(
        0.0, "Share of the cross-entropy's target that is spread evenly over all classes."
    )
    class_weights: str = setting(
        "none",
        "What an image's cross-entropy is multiplied by: 'none'; 'balanced', images / (classes * "
        "images of its class) in the training split, whose records are read for it at the start; "
        "or a number for each class, separated by commas, in the order of the labels.",
        part=Part.PROGRESS,
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        require_finite(self)
        for name in ("lambda_c", "lambda_r", "glimpse_weight"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"--{name}={value} is a share: 0 to 1")
        for name in ("lambda_f", "l2_weight", "lambda_con"):
            value = getattr(self, name)
            require(value >= 0, f"--{name}={value} must not be negative")
        require(-1 <= self.alpha <= 1, f"--alpha={self.alpha} is a cosine: -1 to 1")
        require(self.per_feature_levels >= 0, "--per_feature_levels must not be negative")
        require(self.monte_carlo_samples >= 1, "--monte_carlo_samples must be at least 1")
        require(
            0 <= self.label_smoothing < 1,
            f"--label_smoothing={self.label_smoothing} is a share: 0 to below 1",
        )
        self.given_class_weights()

    def given_class_weights(self) -> tuple[float, ...]:
        """The numbers in --class_weights; none where it is 'none' or 'balanced'.

        Raises:
          UserError: when it is neither of these, nor positive numbers.
        """
        if self.class_weights in ("none", "balanced"):
            return ()
        try:
            numbers = tuple(float(number) for number in self.class_weights.split(","))
        except ValueError:
            numbers = ()
        require(
            bool(numbers) and all(0 < number < math.inf for number in numbers),
            f"--class_weights={self.class_weights} takes none, balanced, or a positive number for "
            "each class, separated by commas",
        )
        return numbers

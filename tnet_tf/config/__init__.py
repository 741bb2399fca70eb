"""Every setting of the package, once: typed, documented, checked.

A setting is a field of one of the frozen dataclasses below. `tnet_tf.flags` makes one absl flag of
each field (same name, default and help), so there is no second list of settings anywhere.
"""

import dataclasses
import json
from collections.abc import Collection, Iterator

from tnet_tf.config import stored
from tnet_tf.config.commands import BenchmarkConfig, EvalConfig, ExportConfig
from tnet_tf.config.data import DataConfig
from tnet_tf.config.learning import LearningConfig, rules_of
from tnet_tf.config.model import ModelConfig
from tnet_tf.config.robustness import RobustnessConfig
from tnet_tf.config.setting import require
from tnet_tf.config.training import TrainConfig

__all__ = [
    "BenchmarkConfig",
    "Config",
    "DataConfig",
    "EvalConfig",
    "ExportConfig",
    "LearningConfig",
    "ModelConfig",
    "RobustnessConfig",
    "TrainConfig",
    "rules_of",
]


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, one frozen dataclass per concern."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    learning: LearningConfig = dataclasses.field(default_factory=LearningConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    robustness: RobustnessConfig = dataclasses.field(default_factory=RobustnessConfig)
    benchmark: BenchmarkConfig = dataclasses.field(default_factory=BenchmarkConfig)
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)

    @classmethod
    def sections(cls) -> dict[str, type]:
        """The dataclass of each concern, by the concern's name."""
        return {field.name: field.default_factory for field in dataclasses.fields(cls)}  # type: ignore

    @classmethod
    def settings(cls) -> Iterator[dataclasses.Field]:
        """All settings, section after section, with what `setting` says of them."""
        for section in cls.sections().values():
            yield from dataclasses.fields(section)

    def check_model(self) -> None:
        """Checks everything a command needs that builds and feeds a model.

        Raises:
          UserError: one line that names the flag at fault and what would be right.
        """
        self.data.check()
        self.model.check(self.data.image_size)
        self.eval.check()
        require(self.train.batch_size > 0, "--batch_size must be positive")
        self.model.check_locations("--eval_locations", self.eval.eval_locations)

    def check(self) -> None:
        """Checks everything that training needs.

        Raises:
          UserError: one line that names the flag at fault and what would be right.
        """
        self.check_model()
        self.learning.check()
        self.check_rule()
        self.train.check()
        require(
            self.learning.per_feature_levels <= self.model.levels,
            f"--per_feature_levels={self.learning.per_feature_levels} is more than the "
            f"{self.model.levels} levels that --locations makes",
        )
        require(
            self.learning.monte_carlo_samples == 1 or self.model.sampling == "without_replacement",
            "--monte_carlo_samples above 1 repeats the same locations under --sampling=top_k; "
            "use --sampling=without_replacement",
        )

    def check_rule(self) -> None:
        """Checks that the network learns by the rule.

        Raises:
          UserError: names the rules by which it does.
        """
        model, rule, fitting = self.model.model, self.learning.rule, rules_of(self.model.model)
        require(
            rule in fitting,
            f"--model={model} learns by --rule={' or '.join(fitting)}, not by --rule={rule}",
        )

    def to_json(self) -> str:
        """The settings as JSON, readable and stable."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, decisive: Collection[str] | None = None) -> "Config":
        """The settings that `to_json` wrote.

        Runs of earlier versions have fewer settings; those they lack had no effect.

        Args:
          text: JSON.
          decisive: concerns in which every setting must be known; in others, those that are not are
            left out with a `DoubtfulSettings` warning. None: all.

        Raises:
          ValueError: when it is no such text.
        """
        try:
            values = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(values, dict):
            raise ValueError("it does not hold settings by concern")
        # Of earlier versions' benchmark alone; what was trained computed in float32.
        if isinstance(values.get("benchmark"), dict):
            values["benchmark"].pop("precision", None)
        makers = cls.sections()
        for name in values:
            if name not in makers:
                raise ValueError(f"there are no settings {name!r}")
        sections = {}
        for name, make in makers.items():
            strict = decisive is None or name in decisive
            sections[name] = stored.section(make, values.get(name, {}), strict)
        return cls(**sections)

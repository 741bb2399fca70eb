"""Every setting of the package, once: typed, documented, checked.

A setting is a field of one of the frozen dataclasses below. `tnet_tf.flags` makes one absl flag of
each field (same name, default and help), so there is no second list of settings anywhere.
"""

import dataclasses
import json
import math
from typing import Any

from tnet_tf.errors import UserError


def setting(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help text and, for strings, the values it may take."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices})


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is read and how it is augmented (appendix 2.2)."""

    dataset: str = setting(
        "digit_scenes",
        "Dataset: 'digit_scenes' or 'digit_scenes/HEIGHTxWIDTH' (built in), 'folder/NAME' (a "
        "folder of images, prepared with --folder), or any TFDS image-classification dataset by "
        "its name.",
    )
    data_dir: str = setting("data/records", "Folder of the prepared TFRecords.")
    folder: str = setting(
        "", "For prepare with --dataset=folder/NAME: root/<split>/<class>/* or root/<class>/*."
    )
    boxes_csv: str = setting(
        "",
        "For prepare with --dataset=folder/NAME: CSV with columns file,x_min,y_min,x_max,y_max in "
        "pixels (or xmin, .., or x_min_px, ..), file relative to --folder. Default: "
        "<folder>/boxes.csv where it exists.",
    )
    max_shorter_side: int = setting(
        0, "Prepare: shrink images whose shorter side is longer than this many pixels; 0 keeps all."
    )
    on_bad_image: str = setting(
        "stop", "Prepare: what an unreadable image does.", choices=("stop", "skip")
    )
    train_split: str = setting("", "Split to train on, TFDS syntax; default: the dataset's own.")
    validation_split: str = setting(
        "", "Split evaluated during training; default: the dataset's own."
    )
    test_split: str = setting("", "Split that evaluate reads; default: the dataset's own.")
    image_size: tuple[int, ...] = setting(
        (224, 224), "Height and width in pixels to which images are resized; one number: square."
    )
    random_crop: bool = setting(
        False,
        "Train on crops of 85 to 100% of the area, aspect 0.5 to 2, that keep the box in view.",
    )
    random_resize: bool = setting(
        False, "Resize training images by one of 8 interpolation methods at random."
    )
    random_flip: bool = setting(False, "Flip training images left to right at random.")
    color_distortion: bool = setting(
        False, "Distort brightness, saturation, hue and contrast in random order."
    )
    translation: float = setting(0.0, "Translate training images by up to this share of a side.")
    rotation: float = setting(0.0, "Rotate training images by up to this many degrees.")
    crop_to_box: bool = setting(
        False, "Classify the region in the bounding box instead of the image (Table 2, BBoxes)."
    )
    shuffle_buffer: int = setting(10000, "Records held in memory to shuffle them.")
    data_workers: int = setting(0, "Parallel calls that decode and augment; 0: chosen by tf.data.")

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        _check_finite(self)
        _check(bool(self.data_dir), "--data_dir is empty; give the folder of the prepared records")
        _check(len(self.image_size) == 2, "--image_size takes one or two numbers of pixels")
        _check(min(self.image_size) > 0, f"--image_size={self.image_size} is not positive")
        _check(self.shuffle_buffer >= 1, "--shuffle_buffer must be at least 1")
        _check(self.data_workers >= 0, "--data_workers must not be negative")
        _check(0 <= self.translation < 1, "--translation is a share of the side: 0 to below 1")
        _check(0 <= self.rotation <= 180, "--rotation is in degrees: 0 to 180")
        _check(self.max_shorter_side >= 0, "--max_shorter_side must not be negative")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network (paper 3, appendix 2.1)."""

    model: str = setting(
        "tnet",
        "'tnet', or 'feedforward': the backbone and a classifier on the whole image.",
        choices=("tnet", "feedforward"),
    )
    backbone: str = setting(
        "efficientnet_b0",
        "Feature extraction module: bagnet77, efficientnet_b0 .. efficientnet_b4, plain_cnn.",
    )
    classes: int = setting(0, "Number of classes; 0: as many as the dataset has.")
    base_resolution: tuple[int, ...] = setting(
        (224, 224), "Pixels (one number, or height and width) to which each region is resized."
    )
    grid: int = setting(3, "Candidate locations per side of the attention grid (n of n x n).")
    cell: float = setting(0.5, "Side of a grid cell as a fraction of the image side.")
    locations: tuple[int, ...] = setting(
        (2,),
        "Locations attended per grid, one number for each level after the first: '2' looks at 2 "
        "places in 2 levels, '2,1' at 2 and then at 1 inside each of them (4 in all).",
    )
    sampling: str = setting(
        "top_k",
        "How training selects locations: the k most probable (the paper's) or true sampling "
        "without replacement (appendix eq. 7).",
        choices=("top_k", "without_replacement"),
    )
    location_module: str = setting(
        "squeeze_excitation",
        "'context': grid features with the context vector (appendix table 2); "
        "'squeeze_excitation': grid features alone (table 3).",
        choices=("context", "squeeze_excitation"),
    )
    positional_module: str = setting(
        "add",
        "'concat': feature and encoding through one linear layer (appendix table 2); 'add': the "
        "projected encoding is added to the feature (table 3).",
        choices=("concat", "add"),
    )
    feature_weighting: bool = setting(
        False, "Weigh feature vectors before they are averaged (appendix table 4)."
    )
    normalization: str = setting(
        "shared",
        "BatchNorm 'shared' by all levels (the paper's), or kept 'per_level' while the "
        "convolutions stay shared.",
        choices=("shared", "per_level"),
    )
    input_statistics: str = setting(
        "symmetric",
        "What the backbone is fed: 'symmetric', pixels in [-1, 1] (the paper's), 'unit', pixels in "
        "[0, 1] (keras.applications networks trained from scratch), or 'imagenet', pixels "
        "standardised by ImageNet's mean and deviation (keras.applications weights='imagenet').",
        choices=("symmetric", "unit", "imagenet"),
    )
    spatial_dropout: float = setting(
        0.0, "Drop probability of whole channels of the last feature map (BagNet-77)."
    )
    dropout: float = setting(0.0, "Drop probability before the classification layer.")
    stochastic_depth: float = setting(
        0.0,
        "Stochastic depth: residual block b of B, counted from 0, is skipped with b / B of this "
        "probability.",
    )

    def check(self, image_size: tuple[int, ...]) -> None:
        """Raises `UserError` for a value out of range or one that contradicts another."""
        _check_finite(self)
        for name in ("spatial_dropout", "dropout", "stochastic_depth"):
            rate = getattr(self, name)
            _check(0 <= rate < 1, f"--{name}={rate} is a probability: 0 to below 1")
        _check(self.classes >= 0, "--classes must not be negative")
        if self.model == "feedforward":
            return
        _check(len(self.base_resolution) == 2, "--base_resolution takes one or two numbers")
        for side, base, name in zip(
            image_size, self.base_resolution, ("high", "wide"), strict=True
        ):
            _check(
                0 < base <= side,
                f"--base_resolution={base} is larger than the image, which is {side} px {name} "
                "(--image_size); the thumbnail must not be larger than the image",
            )
        _check(self.grid >= 2, f"--grid={self.grid} must be at least 2")
        _check(0 < self.cell < 1, f"--cell={self.cell} is a fraction of the side between 0 and 1")
        _check(bool(self.locations), "--locations needs a number for each level after the first")
        self.check_locations("--locations", self.locations)

    def check_locations(self, flag: str, locations: tuple[int, ...]) -> None:
        """Raises `UserError` for numbers of locations that do not fit the grid."""
        for count in locations:
            _check(
                0 < count <= self.grid**2,
                f"{flag}={count} does not fit a grid of {self.grid} x {self.grid}: it must be 1 to "
                f"{self.grid**2}",
            )

    @property
    def levels(self) -> int:
        """Processing levels, the thumbnail's included."""
        return len(self.locations) + 1


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """The learning rule (paper 4, appendix 1 and eq. 9), in the paper's symbols."""

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

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        _check_finite(self)
        for name in ("lambda_c", "lambda_r"):
            value = getattr(self, name)
            _check(0 <= value <= 1, f"--{name}={value} is a share: 0 to 1")
        for name in ("lambda_f", "l2_weight", "lambda_con"):
            value = getattr(self, name)
            _check(value >= 0, f"--{name}={value} must not be negative")
        _check(-1 <= self.alpha <= 1, f"--alpha={self.alpha} is a cosine: -1 to 1")
        _check(self.per_feature_levels >= 0, "--per_feature_levels must not be negative")
        _check(self.monte_carlo_samples >= 1, "--monte_carlo_samples must be at least 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The run: where, how long, how fast."""

    run_dir: str = setting("runs/default", "Folder of checkpoints, TensorBoard logs and reports.")
    batch_size: int = setting(64, "Images per training step, over all devices together.")
    train_steps: int = setting(0, "Training steps; 0: --epochs decides.")
    epochs: int = setting(0, "Passes over the training split; 0: --train_steps decides.")
    optimizer: str = setting("adam", "Optimiser.", choices=("adam", "sgd"))
    adam_epsilon: float = setting(
        1e-7, "Adam's epsilon (the published code's; the paper says 1e-8)."
    )
    momentum: float = setting(0.9, "SGD's momentum.")
    learning_rate: float = setting(1e-3, "Learning rate of new layers.")
    pretrained_learning_rate: float = setting(
        0.0, "Learning rate of layers loaded by --pretrained; 0: --learning_rate."
    )
    learning_rate_drop_at: float = setting(
        0.8, "Share of the steps after which learning rates drop."
    )
    learning_rate_drop: float = setting(0.1, "Factor by which learning rates drop.")
    pretrained: str = setting(
        "",
        "Weights to start from: a TensorFlow checkpoint with the published names, or a "
        "keras.applications EfficientNet file (.h5, .weights.h5, .keras).",
    )
    seed: int = setting(0, "Seed of weights, order, augmentation, sampling and dropout.")
    deterministic: bool = setting(False, "Make every operation deterministic (slower).")
    devices: int = setting(
        0,
        "Devices to train on with MirroredStrategy; 0: all GPUs, or the CPU. On a machine "
        "without GPU, more than 1 makes that many virtual CPU devices.",
    )
    checkpoint_every: int = setting(1000, "Steps between checkpoints.")
    evaluate_every: int = setting(0, "Steps between evaluations; 0: with every checkpoint.")
    summary_every: int = setting(50, "Steps between TensorBoard scalars.")
    profile_steps: tuple[int, ...] = setting(
        (), "First and last step of a TensorBoard profile, such as 100,110; default: none."
    )
    summary_images: int = setting(4, "Images whose attended regions go to TensorBoard; 0: none.")

    def check(self) -> None:
        """Raises `UserError` for a value out of range or one that contradicts another."""
        _check_finite(self)
        _check(bool(self.run_dir), "--run_dir is empty; give the run's folder")
        _check(self.batch_size > 0, "--batch_size must be positive")
        _check(
            (self.train_steps > 0) != (self.epochs > 0),
            "give either --train_steps or --epochs, as a positive number",
        )
        _check(self.learning_rate > 0, "--learning_rate must be positive")
        _check(
            self.pretrained_learning_rate >= 0, "--pretrained_learning_rate must not be negative"
        )
        _check(
            0 < self.learning_rate_drop_at <= 1, "--learning_rate_drop_at is a share of the steps"
        )
        _check(
            0 < self.learning_rate_drop <= 1,
            f"--learning_rate_drop={self.learning_rate_drop} is a factor: above 0, up to 1",
        )
        _check(self.adam_epsilon > 0, "--adam_epsilon must be positive")
        _check(0 <= self.momentum < 1, f"--momentum={self.momentum} must be 0 to below 1")
        for name in ("checkpoint_every", "summary_every"):
            _check(getattr(self, name) > 0, f"--{name} must be positive")
        for name in ("devices", "seed", "evaluate_every", "summary_images"):
            _check(getattr(self, name) >= 0, f"--{name} must not be negative")
        if self.profile_steps:
            _check(
                len(self.profile_steps) == 2 and 0 < self.profile_steps[0] <= self.profile_steps[1],
                "--profile_steps takes a first and a last step, counted from 1, such as 100,110",
            )
        if self.devices > 1:
            _check(
                self.batch_size % self.devices == 0,
                f"--batch_size={self.batch_size} does not divide over --devices={self.devices}",
            )


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """What evaluate computes and writes."""

    checkpoint: str = setting(
        "best", "Which checkpoint of --run_dir to evaluate.", choices=("best", "last")
    )
    eval_batch_size: int = setting(64, "Images per evaluation step.")
    eval_locations: tuple[int, ...] = setting(
        (), "Locations attended per grid in evaluation, one number per level; default: --locations."
    )
    figure_images: int = setting(6, "Images in the figure of attended regions; 0: no figure.")
    report_dir: str = setting(
        "", "Folder of table, JSON and figure; default: <run_dir>/evaluation."
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        _check(self.eval_batch_size > 0, "--eval_batch_size must be positive")
        _check(self.figure_images >= 0, "--figure_images must not be negative")


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """What benchmark measures, and how (appendix 2.3)."""

    against: str = setting(
        "",
        "Flag files of networks to measure in the same run, separated by commas. Each brings its "
        "own data and model settings; how to measure is taken from this command.",
    )
    location_counts: tuple[int, ...] = setting(
        (), "Numbers of locations to measure; default: 0 and every number up to --locations."
    )
    sets: int = setting(45, "Sets of batches; mean and deviation are taken over sets.")
    batches_per_set: int = setting(10, "Batches of --batch_size images in each set.")
    training_steps: int = setting(10, "Training steps to time; 0: none.")
    measure_memory: bool = setting(
        True, "Measure peak memory, each in a process of its own that takes some seconds to start."
    )
    input_batches: int = setting(
        20, "Training batches to read from prepared records, to time the input; 0: none."
    )
    precision: str = setting(
        "float32",
        "What the networks compute in; weights stay float32.",
        choices=("float32", "bfloat16"),
    )
    profile: str = setting("", "Folder for a TensorBoard profile of a few calls; empty: none.")
    benchmark_dir: str = setting("runs/benchmark", "Folder of table, JSON and plot.")

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        for name in ("sets", "batches_per_set"):
            _check(getattr(self, name) > 0, f"--{name} must be positive")
        for name in ("training_steps", "input_batches"):
            _check(getattr(self, name) >= 0, f"--{name} must not be negative")
        _check(all(c >= 0 for c in self.location_counts), "--location_counts must not be negative")
        _check(bool(self.benchmark_dir), "--benchmark_dir is empty; give a folder")


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What export writes."""

    export_dir: str = setting("", "Folder of the SavedModel; default: <run_dir>/export.")
    check_images: int = setting(
        256, "Test images on which the export is compared with its source; 0: no comparison."
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        _check(self.check_images >= 0, "--check_images must not be negative")


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, one frozen dataclass per concern."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    learning: LearningConfig = dataclasses.field(default_factory=LearningConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    benchmark: BenchmarkConfig = dataclasses.field(default_factory=BenchmarkConfig)
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)

    def check_model(self) -> None:
        """Checks everything a command needs that builds and feeds a model.

        Raises:
          UserError: one line that names the flag at fault and what would be right.
        """
        self.data.check()
        self.model.check(self.data.image_size)
        self.eval.check()
        self.model.check_locations("--eval_locations", self.eval.eval_locations)

    def check(self) -> None:
        """Checks everything that training needs.

        Raises:
          UserError: one line that names the flag at fault and what would be right.
        """
        self.check_model()
        self.learning.check()
        self.train.check()
        _check(
            self.learning.per_feature_levels <= self.model.levels,
            f"--per_feature_levels={self.learning.per_feature_levels} is more than the "
            f"{self.model.levels} levels that --locations makes",
        )
        _check(
            self.learning.monte_carlo_samples == 1 or self.model.sampling == "without_replacement",
            "--monte_carlo_samples above 1 repeats the same locations under --sampling=top_k; "
            "use --sampling=without_replacement",
        )

    def to_json(self) -> str:
        """The settings as JSON, readable and stable."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The settings that `to_json` wrote."""
        sections = {field.name: field.default_factory for field in dataclasses.fields(cls)}
        values = json.loads(text)
        return cls(**{name: make(**_tuples(values[name])) for name, make in sections.items()})  # type: ignore


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise UserError(message)


def _check_finite(settings: Any) -> None:
    for name, value in vars(settings).items():
        _check(
            not isinstance(value, float) or math.isfinite(value),
            f"--{name}={value} is not a finite number",
        )

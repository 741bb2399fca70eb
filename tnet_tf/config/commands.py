"""Settings of the commands besides prepare and train."""

import dataclasses

from tnet_tf.config.setting import require, setting

FORMATS = ("savedmodel", "litert", "onnx", "openvino")
# Formats and their optimizations; see `ExportConfig.form`.
FORMS = (*FORMATS, "cpu", "openvino_int8")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """What evaluate computes and writes."""

    checkpoint: str = setting(
        "best", "Which checkpoint of --run_dir to evaluate.", choices=("best", "last"), usual=True
    )
    eval_batch_size: int = setting(64, "Images per evaluation step.")
    eval_locations: tuple[int, ...] = setting(
        (),
        "Locations attended per grid in evaluation, one number per level; default: --locations.",
        usual=True,
    )
    figure_images: int = setting(
        6, "Images in the figure of attended regions, half of them mistakes; 0: no figure."
    )
    gaze_baselines: bool = setting(
        True,
        "Measure the network looking at random and at central places, too, with as many "
        "locations; reads the test images twice more. Feed-forward networks have no gaze.",
    )
    report_dir: str = setting(
        "", "Folder of tables, JSON and figures; default: <run_dir>/evaluation.", usual=True
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        require(self.eval_batch_size > 0, "--eval_batch_size must be positive")
        require(self.figure_images >= 0, "--figure_images must not be negative")


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """What benchmark measures, and how (appendix 2.3)."""

    against: str = setting(
        "",
        "Flag files of networks to measure in the same run, separated by commas. Each brings its "
        "own data and model settings; how to measure is taken from this command.",
        usual=True,
    )
    location_counts: tuple[int, ...] = setting(
        (), "Numbers of locations to measure; default: 0 and every number up to --locations."
    )
    sets: int = setting(
        45, "Sets of batches; median and deviation are taken over sets.", usual=True
    )
    batches_per_set: int = setting(10, "Batches of --batch_size images in each set.", usual=True)
    training_steps: int = setting(10, "Training steps to time; 0: none.")
    measure_memory: bool = setting(
        True, "Measure peak memory, each in a process of its own that takes some seconds to start."
    )
    input_batches: int = setting(
        20, "Training batches to read from prepared records, to time the input; 0: none."
    )
    forms: tuple[str, ...] = setting(
        (),
        "Exported forms of the network (not those of --against) to measure, too, reading uint8 "
        "images, with all --locations: " + ", ".join(FORMS) + ".",
    )
    side_lengths: tuple[int, ...] = setting(
        (),
        "Measure the network's SavedModel on square uint8 images of these sides, too, in pixels; "
        "not of feed-forward networks, whose cost is that of their pixels.",
    )
    profile: str = setting("", "Folder for a TensorBoard profile of a few calls; empty: none.")
    benchmark_dir: str = setting("runs/benchmark", "Folder of table, JSON and plot.", usual=True)

    def check(self) -> None:
        """Raises `UserError` for a value out of range."""
        for name in ("sets", "batches_per_set"):
            require(getattr(self, name) > 0, f"--{name} must be positive")
        for name in ("training_steps", "input_batches"):
            require(getattr(self, name) >= 0, f"--{name} must not be negative")
        require(all(c >= 0 for c in self.location_counts), "--location_counts must not be negative")
        require(all(side > 0 for side in self.side_lengths), "--side_lengths must be positive")
        for form in self.forms:
            require(form in FORMS, f"--forms={form} is unknown; there are {', '.join(FORMS)}")
        require(bool(self.benchmark_dir), "--benchmark_dir is empty; give a folder")


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What export writes."""

    format: str = setting(
        "savedmodel",
        "What to write. All but savedmodel take images of --image_size only, and need packages of "
        "their own: pip install '.[litert]', '.[onnx]' or '.[openvino]'.",
        choices=FORMATS,
        usual=True,
    )
    optimize: str = setting(
        "none",
        "cpu: a SavedModel made fast for x86 processors: weights frozen, and bfloat16 where this "
        "machine's processor has it.",
        choices=("none", "cpu"),
        usual=True,
    )
    quantize: bool = setting(
        False, "Compute in 8-bit integers, scaled by training images; --format=openvino only."
    )
    calibration_images: int = setting(128, "Training images that --quantize looks at.")
    export_dir: str = setting(
        "",
        "Folder to write; default: <run_dir>/export, followed by format and optimization.",
        usual=True,
    )
    check_images: int = setting(
        256, "Test images on which the export is compared with its source; 0: no comparison."
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range, or settings that exclude each other."""
        require(self.check_images >= 0, "--check_images must not be negative")
        require(self.calibration_images > 0, "--calibration_images must be positive")
        require(
            self.optimize == "none" or self.format == "savedmodel",
            f"--optimize={self.optimize} has no effect on --format={self.format}; leave it out",
        )
        require(
            not self.quantize or self.format == "openvino",
            f"--quantize has no effect on --format={self.format}; use --format=openvino",
        )

    @property
    def form(self) -> str:
        """Format and optimization in one word, such as 'cpu' or 'openvino_int8'."""
        if self.quantize:
            return f"{self.format}_int8"
        return self.format if self.optimize == "none" else self.optimize

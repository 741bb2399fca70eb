"""Measures a trained network: python -m tnet_tf.evaluate --flagfile=experiments/demo.flags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from matplotlib.figure import Figure

from tnet_tf import atomic_files, command
from tnet_tf.config import Config
from tnet_tf.errors import UserError
from tnet_tf.evaluation import calibration, cost, figures, gaze_baselines, report
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.attention_policy import AttentionPolicy
from tnet_tf.evaluation.calibration import Calibration
from tnet_tf.evaluation.class_report import ClassReport
from tnet_tf.evaluation.examples import AttentionExamples
from tnet_tf.evaluation.loop import Evaluation, Evaluator
from tnet_tf.evaluation.predictions import PredictionRows
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.inputs.dataset import Dataset
from tnet_tf.inputs.names import image_names, name_feature
from tnet_tf.outputs import Outputs
from tnet_tf.robustness import report as robustness_report
from tnet_tf.robustness import trials
from tnet_tf.run import Run
from tnet_tf.training.checkpoints import load_model


@command.named("evaluate", of_run=True)
def main(config: Config) -> Results:
    """Measures a trained network on the test split, after every number of attended locations.

    Top-1 and top-5 accuracy, with attended locations alone too; where the network looks (coverage,
    and with boxes precision, recall and hits), and what it is worth against looking at random and
    at central places; precision, recall and F1 of every class; calibration; FLOPs and parameters.
    Prints tables and writes to --report_dir: report.txt and report.json; predictions.csv, a row for
    every image; confusion.csv and, of up to 40 classes, confusion.png; calibration.png; and
    attention.png, attended regions of some images, half of them mistakes. --eval_locations looks at
    other numbers of locations than the network was trained with.

    --corruptions and --attack measure top-1 under common corruptions and attacks, too, and how far
    they move the gaze: robustness.txt, robustness.json, robustness.png. That takes long; the same
    command goes on where it was interrupted. --compare adds other networks' reports.

    Example: python -m tnet_tf.evaluate --flagfile=experiments/demo.flags --run_dir=runs/mine
    """
    config.check_model()
    trials.check(config.robustness)
    dataset = catalog.open_dataset(config.data)
    model = load_model(config)
    _check_classes(model, dataset)
    folder = Path(config.eval.report_dir or Run(config.train.run_dir).evaluation)
    examples = AttentionExamples(config.eval.figure_images)
    classes = ClassReport(dataset.classes)
    with atomic_files.AtomicFile(folder / "predictions.csv", "--report_dir") as predictions:
        names = image_names(dataset, dataset.test_split)
        rows = PredictionRows(predictions.write, dataset.classes, name_feature(dataset), names)
        results = _measure(
            config,
            dataset,
            model,
            [Accuracy(), AttentionPolicy(), classes, Calibration(), rows, examples],
        )
        baselines, gazes = _measure_gazes(config, dataset, model, results, examples)
        results |= baselines
    resolution = model.base_resolution
    pictures = {
        "confusion.png": classes.figure(),
        "calibration.png": calibration.figure(results["calibration"]),
        "attention.png": examples.figure(dataset.classes, resolution, gazes),
    }
    _print_and_write(results, classes, pictures, folder)
    if config.robustness.measures:
        results |= {"robustness": _measure_robustness(config, dataset, model, results, folder)}
    print(f"written to {folder}")
    return results


def _check_classes(model: keras.Model, dataset: Dataset) -> None:
    trained, present = model.classes, len(dataset.classes)
    if trained != present:
        raise UserError(
            f"the network knows {trained} classes, but --dataset={dataset.name} has {present}; "
            "evaluate on the dataset it was trained with"
        )


def _measure(
    config: Config, dataset: Dataset, model: keras.Model, evaluators: Sequence[Evaluator]
) -> Results:
    """Results of all evaluators, the cost, and the settings they depend on."""
    locations: tuple[int, ...] = ()
    if model.attends:
        locations = config.eval.eval_locations or config.model.locations
    # Before the long work, since a cost that can't be counted is an error.
    gflops = cost.gflops_by_locations(model, config.data.image_size, locations)
    described = {
        "run_dir": config.train.run_dir,
        "checkpoint": config.eval.checkpoint,
        "model": config.model.model,
        "backbone": config.model.backbone,
        "dataset": dataset.name,
        "split": dataset.test_split,
        "image_size": list(config.data.image_size),
        "locations": list(locations),
        "parameters": cost.parameters(model),
        "gflops_by_locations": Curve.of(0, gflops),
    }
    with pipeline.record_errors(dataset):
        results = Evaluation(model).run(
            _test_batches(config, dataset),
            evaluators,
            locations,
            progress=True,
        )
    return Results(described) | results


def _measure_gazes(
    config: Config,
    dataset: Dataset,
    model: keras.Model,
    results: Results,
    examples: AttentionExamples,
) -> tuple[dict[str, Any], dict[str, Outputs]]:
    """Measures a network that looks somewhere with other gazes than its own.

    Returns:
      `gaze_baselines`, their results by gaze; and by gaze what the network made of the examples.
      Both are empty where there is nothing to compare.
    """
    locations = tuple(results["locations"])
    if not (config.eval.gaze_baselines and model.attends and any(locations)):
        return {}, {}
    with pipeline.record_errors(dataset):
        batches = _test_batches(config, dataset)
        baselines, gazes = gaze_baselines.measure(model, batches, locations, examples.numbers)
    return {"gaze_baselines": baselines}, gazes


def _print_and_write(
    results: Results, classes: ClassReport, pictures: dict[str, Figure | None], folder: Path
) -> None:
    text = report.to_text(results)
    print(text)
    files = {
        "report.txt": text.encode(),
        report.REPORT: results.to_json().encode(),
        "confusion.csv": classes.to_csv().encode(),
        **{name: figures.png(figure) for name, figure in pictures.items() if figure is not None},
    }
    atomic_files.write_all(folder, files, "--report_dir")


def _measure_robustness(
    config: Config, dataset: Dataset, model: keras.Model, clean: Results, folder: Path
) -> Results:
    """Measures the network under corruptions and attacks, prints tables and writes files."""
    with pipeline.record_errors(dataset):
        batches = _test_batches(config, dataset)
        kept = folder / "robustness.partial.jsonl"
        measured = trials.measure(config, model, batches, clean, kept)
    reports = [measured, *map(robustness_report.read, config.robustness.compare)]
    text = robustness_report.to_text(reports)
    print(f"\n{text}")
    files = {
        "robustness.txt": text.encode(),
        robustness_report.REPORT: measured.to_json().encode(),
        "robustness.png": robustness_report.plot(reports),
    }
    atomic_files.write_all(folder, files, "--report_dir")
    return measured


def _test_batches(config: Config, dataset: Dataset) -> tf.data.Dataset:
    """All batches of the test split."""
    split, batch_size = dataset.test_split, config.eval.eval_batch_size
    count = pipeline.steps_per_epoch(dataset, split, batch_size)
    batches = pipeline.evaluation_batches(dataset, split, config.data, batch_size)
    # Lets progress be shown out of a total, and fails should there be other than all images.
    return batches.apply(tf.data.experimental.assert_cardinality(count))


if __name__ == "__main__":
    command.run(main)

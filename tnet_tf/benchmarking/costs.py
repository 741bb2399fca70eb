"""All costs of networks, as benchmark reports them: time, FLOPs, parameters, memory, input."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from tnet_tf.benchmarking import cases, memory, workloads
from tnet_tf.benchmarking.cases import Case, Network
from tnet_tf.benchmarking.stopwatch import interleaved, spread
from tnet_tf.config import BenchmarkConfig, Config
from tnet_tf.evaluation import cost, report
from tnet_tf.evaluation.results import Curve, Results
from tnet_tf.inputs import catalog
from tnet_tf.run import Run

# Milliseconds per image, median and deviation over sets, by name.
PerImage = dict[str, float]


class Times(NamedTuple):
    """What was timed.

    Attributes:
      predictions: of every case of inference.
      reference: the unit of time, which took turns with them.
      steps: of every training step.
      reference_of_steps: the unit of time, as it was when they were timed.
    """

    predictions: Mapping[Case, PerImage]
    reference: PerImage
    steps: Mapping[Case, PerImage]
    reference_of_steps: PerImage


def take_times(
    predictions: Sequence[Case], steps: Sequence[Case], settings: BenchmarkConfig
) -> Times:
    """Times cases by turns, the unit of time among them; shows progress.

    Args:
      predictions: timed `settings.sets` times, `settings.batches_per_set` calls each.
      steps: timed `settings.training_steps` times; there may be none.
      settings: how often.
    """
    unit = cases.reference()
    inference = _take_turns([*predictions, unit], settings.sets, settings.batches_per_set)
    training = _take_turns([*steps, unit], settings.training_steps) if steps else {unit: {}}
    return Times(inference, inference.pop(unit), training, training.pop(unit))


def _take_turns(timed: Sequence[Case], sets: int, calls: int = 1) -> dict[Case, PerImage]:
    seconds = interleaved({case: case.work for case in timed}, sets, calls, progress=True)
    return {case: _per_image(seconds[case], case.batch_size) for case in timed}


def _per_image(seconds: list[float], batch_size: int) -> PerImage:
    """Milliseconds per image, out of seconds per call."""
    median, std = spread([1e3 * value / batch_size for value in seconds])
    return {"milliseconds_median": median, "milliseconds_std": std}


def of_networks(
    networks: Mapping[str, Network],
    models: Mapping[str, keras.Model],
    times: Times,
    config: Config,
) -> Results:
    """All costs.

    Args:
      networks: by name.
      models: the networks themselves.
      times: of their cases.
      config: all settings; those of how it was measured become part of the results.
    """
    measured_so = {
        "batch_size": config.train.batch_size,
        "precision": config.train.precision,
        **dataclasses.asdict(config.benchmark),
    }
    described = {
        name: _of_network(name, network, models[name], times) for name, network in networks.items()
    }
    return Results({**measured_so, "reference": times.reference, "networks": described})


def _of_network(name: str, network: Network, model: keras.Model, times: Times) -> dict[str, Any]:
    config = network.config

    def rows(kind: str) -> list[dict[str, Any]]:
        own = (item for item in times.predictions.items() if item[0].network == name)
        return [{kind: case.value, **time} for case, time in own if case.kind == kind]

    steps = [time for case, time in times.steps.items() if case.network == name]
    return {
        "model": config.model.model,
        "backbone": config.model.backbone,
        "image_size": list(config.data.image_size),
        "parameters": cost.parameters(model),
        "input_images_per_second": _input_rate(config),
        "inference": [
            {**row, **_of_prediction(network, model, row[cases.LOCATIONS])}
            for row in rows(cases.LOCATIONS)
        ],
        "exports": rows(cases.FORM),
        "large_images": rows(cases.SIDE),
        "top1_by_locations": _accuracy(config),
        "training": _of_step(network, steps[0], times.reference_of_steps) if steps else None,
    }


def _of_prediction(network: Network, model: keras.Model, count: int) -> dict[str, Any]:
    """FLOPs and memory of a prediction after a number of locations."""
    config, locations = network.config, network.counts[count]
    work = (workloads.prediction_of_new_network, config, network.classes, locations)
    return {
        "gflops": cost.gflops(model, config.data.image_size, locations),
        "peak_bytes": _peak(config, *work),
    }


def _of_step(network: Network, time: PerImage, reference: PerImage) -> dict[str, Any]:
    """Time and memory of a training step, and the time of the reference meanwhile."""
    work = (workloads.training_step, network.config, network.classes)
    return {
        **time,
        "reference_milliseconds_median": reference["milliseconds_median"],
        "peak_bytes": _peak(network.config, *work),
    }


def _peak(config: Config, prepare: Callable[..., workloads.Work], *arguments: Any) -> int | None:
    return memory.peak_growth(prepare, *arguments) if config.benchmark.measure_memory else None


def _input_rate(config: Config) -> float | None:
    """Images per second that reading and augmentation can give; None without records."""
    batches = config.benchmark.input_batches
    if not batches or not catalog.is_prepared(config.data):
        return None
    seconds = interleaved({"read": workloads.reading(config)}, sets=1, calls=batches)
    return config.train.batch_size / seconds["read"][0]


def _accuracy(config: Config) -> Curve | None:
    """Top-1 accuracy after every number of locations, where evaluate has measured it."""
    folder = Path(config.eval.report_dir or Run(config.train.run_dir).evaluation)
    try:
        results = Results.from_json((folder / report.REPORT).read_text())
    except (OSError, ValueError):
        return None
    return results.get("top1_by_locations")

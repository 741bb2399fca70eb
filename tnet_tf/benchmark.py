"""Measures cost: python -m tnet_tf.benchmark --flagfile=experiments/fmow_896.flags."""

import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras

from tnet_tf import atomic_files, command
from tnet_tf.benchmarking import memory, workloads
from tnet_tf.benchmarking import report as cost_report
from tnet_tf.benchmarking.stopwatch import interleaved, spread
from tnet_tf.config import Config
from tnet_tf.errors import UserError
from tnet_tf.evaluation import cost, report
from tnet_tf.flags import read_config
from tnet_tf.inputs import catalog
from tnet_tf.models.precision import copy_in
from tnet_tf.run import Run
from tnet_tf.serving import formats
from tnet_tf.serving.saved_model import Runner

REFERENCE = "reference"


@command.named("benchmark")
def main(config: Config) -> dict[str, Any]:
    """Measures what networks cost: FLOPs, parameters, time and memory, of inference and training.

    Time per image follows the paper's protocol (--sets of --batches_per_set batches of --batch_size
    images; median and deviation over sets). All networks take turns within every set, and so does
    keras.applications.EfficientNetB0 at 224 px, the unit "R" of time; each set begins with the next
    of them, so that a drifting machine hits all alike. --forms measures exported networks,
    --side_lengths larger images. Weights, BatchNorm's statistics and images are random. Prints a
    table and writes report.txt, report.json and cost.png to --benchmark_dir; the plot shows
    accuracy, too, where evaluate has left a report of the run.

    Example: python -m tnet_tf.benchmark --flagfile=experiments/fmow_448.flags
      --against=experiments/fmow_896.flags --batch_size=8 --sets=5 --batches_per_set=2
    """
    networks = _networks(config)
    with tempfile.TemporaryDirectory() as exports:
        results = _measure(networks, config, Path(exports))
    text = cost_report.to_text(results)
    print(text)
    folder = Path(config.benchmark.benchmark_dir)
    files = {
        "report.txt": text.encode(),
        "report.json": report.to_json(results).encode(),
        "cost.png": cost_report.plot(results),
    }
    atomic_files.write_all(folder, files, flag="--benchmark_dir")
    print(f"written to {folder}")
    return results


@dataclasses.dataclass(frozen=True)
class Network:
    """One of the networks compared.

    Attributes:
      config: its settings, with this command's ways of measuring.
      classes: how many it tells apart.
      counts: the call's `locations` by the number of locations they make in all.
    """

    config: Config
    classes: int
    counts: dict[int, tuple[int, ...]]


def _networks(config: Config) -> dict[str, Network]:
    """All networks to measure, by the names of their runs, checked before any work."""
    configs = [config]
    for path in filter(None, config.benchmark.against.split(",")):
        other = read_config(f"--flagfile={path}")
        train = dataclasses.replace(
            other.train, batch_size=config.train.batch_size, precision=config.train.precision
        )
        # Exports take minutes to write; those of one network will do.
        settings = dataclasses.replace(config.benchmark, forms=(), side_lengths=())
        configs.append(dataclasses.replace(other, train=train, benchmark=settings))
    networks: dict[str, Network] = {}
    for each in configs:
        each.benchmark.check()
        for form in each.benchmark.forms:
            formats.check_installed(form)
        each.check_model()
        if each.benchmark.training_steps:
            each.check_rule()
        name = Run(each.train.run_dir).name
        if name in networks:
            raise UserError(
                f"--against: two networks have the --run_dir {each.train.run_dir}, by which the "
                "benchmark names them; give each its own"
            )
        networks[name] = Network(each, _classes(each), _counts(each))
    return networks


def _classes(config: Config) -> int:
    if config.model.classes:
        return config.model.classes
    if catalog.is_prepared(config.data):
        return len(catalog.open_dataset(config.data).classes)
    raise UserError(
        f"how many classes has {config.data.dataset}? give --classes, or prepare it: "
        f"{catalog.prepare_command(config.data)}"
    )


def _counts(config: Config) -> dict[int, tuple[int, ...]]:
    if config.model.model == "feedforward":
        return {0: ()}
    possible = cost.numbers_of_locations(config.model.locations)
    wanted = config.benchmark.location_counts or tuple(possible)
    for count in wanted:
        if count not in possible:
            locations, ends = (",".join(map(str, n)) for n in (config.model.locations, possible))
            raise UserError(
                f"--location_counts={count} is not where --locations={locations} can end: {ends}"
            )
    return {count: possible[count] for count in wanted}


class Case(NamedTuple):
    """Something to time: what it is, the work, and how many images one call of it takes."""

    kind: str
    value: int | str
    work: workloads.Work
    images: int


def _measure(networks: dict[str, Network], config: Config, exports: Path) -> dict[str, Any]:
    """Everything measured, ready for JSON; exports are written to a folder meanwhile."""
    settings = config.benchmark
    models = {n: workloads.build_network(x.config, x.classes) for n, x in networks.items()}
    cases = {
        name: [
            *_predictions(network, models[name]),
            *_exported(network, models[name], exports / str(order)),
        ]
        for order, (name, network) in enumerate(networks.items())
    }
    steps = {
        name: workloads.training_step(network.config, network.classes)
        for name, network in networks.items()
        if settings.training_steps
    }
    if settings.profile:
        works = [case.work for rows in cases.values() for case in rows]
        workloads.profile(settings.profile, [*works, *steps.values()])
    reference = Case(REFERENCE, REFERENCE, workloads.reference(), workloads.REFERENCE_BATCH)
    timed = {(n, case.kind, case.value): case for n in cases for case in cases[n]}
    timed[REFERENCE, REFERENCE, REFERENCE] = reference
    seconds = interleaved(
        {key: case.work for key, case in timed.items()},
        settings.sets,
        settings.batches_per_set,
        progress=True,
    )
    times = {key: _per_image(seconds[key], case.images) for key, case in timed.items()}
    # With the unit of time beside them, as it was when they were timed.
    trained = {(name, "training"): step for name, step in steps.items()}
    if steps:
        trained[REFERENCE, REFERENCE] = reference.work
    training = interleaved(trained, settings.training_steps, progress=bool(steps))

    described = {}
    for name, network in networks.items():
        found = [(case, times[name, case.kind, case.value]) for case in cases[name]]
        described[name] = _described(network, models[name], found)
        if steps:
            step = training[name, "training"], training[REFERENCE, REFERENCE]
            described[name]["training"] = _training(network, *step)
    return {
        "batch_size": config.train.batch_size,
        "precision": config.train.precision,
        **dataclasses.asdict(settings),
        REFERENCE: times[REFERENCE, REFERENCE, REFERENCE],
        "networks": described,
    }


def _described(
    network: Network, model: keras.Model, timed: list[tuple[Case, dict[str, float]]]
) -> dict[str, Any]:
    """A network's part of the results, but for training: what it is, and all costs of inference."""

    def rows(kind: str) -> list[dict[str, Any]]:
        return [{kind: case.value, **times} for case, times in timed if case.kind == kind]

    return {
        "model": network.config.model.model,
        "backbone": network.config.model.backbone,
        "image_size": list(network.config.data.image_size),
        "parameters": cost.parameters(model),
        "input_images_per_second": _input_rate(network.config),
        "inference": [
            {**row, **_cost(network, model, row["locations"])} for row in rows("locations")
        ],
        "exports": rows("form"),
        "large_images": rows("side"),
        "top1_by_locations": _accuracy(network.config),
        "training": None,
    }


def _predictions(network: Network, model: keras.Model) -> Iterator[Case]:
    """Predictions after every number of locations."""
    batch = network.config.train.batch_size
    for count, locations in network.counts.items():
        work = workloads.prediction(model, network.config, locations)
        yield Case("locations", count, work, batch)


def _exported(network: Network, model: keras.Model, folder: Path) -> Iterator[Case]:
    """Predictions by exports, with all locations, of uint8 images."""
    settings, batch = network.config.benchmark, network.config.train.batch_size
    sides = settings.side_lengths if network.config.model.model != "feedforward" else ()
    if not settings.forms and not sides:
        return
    size = network.config.data.image_size
    images = workloads.pixels(batch, *size)
    # The weights are random: a few images will do to find the scales of 8-bit integers.
    source = formats.Source(copy_in(model, "float32"), size, [images[:8].numpy()])

    @functools.cache  # One SavedModel takes images of all sizes.
    def runner(form: str) -> Runner:
        formats.save(form, source, folder / form)
        return formats.load(form, folder / form)

    for form in settings.forms:
        yield Case("form", form, functools.partial(runner(form), images), batch)
    for side in sides:
        larger = workloads.pixels(batch, side, side)
        yield Case("side", side, functools.partial(runner("savedmodel"), larger), batch)


def _accuracy(config: Config) -> list[float] | None:
    """Top-1 accuracy after every number of locations, where evaluate has measured it."""
    folder = Path(config.eval.report_dir or Run(config.train.run_dir).evaluation)
    try:
        return json.loads((folder / report.REPORT).read_text())["top1_by_locations"]
    except (OSError, ValueError, KeyError):
        return None


def _cost(network: Network, model: keras.Model, count: int) -> dict[str, Any]:
    """FLOPs and memory of a prediction after a number of locations."""
    config, locations = network.config, network.counts[count]
    work = (workloads.prediction_of_new_network, config, network.classes, locations)
    return {
        "gflops": cost.gflops(model, config.data.image_size, locations),
        "peak_bytes": _peak(config, *work),
    }


def _training(network: Network, seconds: list[float], reference: list[float]) -> dict[str, Any]:
    """Cost of a training step, and of the reference meanwhile."""
    unit = _per_image(reference, workloads.REFERENCE_BATCH)["milliseconds_median"]
    work = (workloads.training_step, network.config, network.classes)
    return {
        **_per_image(seconds, network.config.train.batch_size),
        "reference_milliseconds_median": unit,
        "peak_bytes": _peak(network.config, *work),
    }


def _per_image(seconds: list[float], images: int) -> dict[str, float]:
    """Milliseconds per image, median and deviation over sets, out of seconds per call."""
    median, std = spread([1e3 * value / images for value in seconds])
    return {"milliseconds_median": median, "milliseconds_std": std}


def _peak(config: Config, prepare: Callable[..., workloads.Work], *arguments: Any) -> int | None:
    return memory.peak_growth(prepare, *arguments) if config.benchmark.measure_memory else None


def _input_rate(config: Config) -> float | None:
    """Images per second that reading and augmentation can give; None without records."""
    batches = config.benchmark.input_batches
    if not batches or not catalog.is_prepared(config.data):
        return None
    seconds = interleaved({"read": workloads.reading(config)}, sets=1, calls=batches)
    return config.train.batch_size / seconds["read"][0]


if __name__ == "__main__":
    command.run(main)

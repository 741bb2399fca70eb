"""Measures cost: python -m tnet_tf.benchmark --flagfile=experiments/fmow_896.flags."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tnet_tf import command
from tnet_tf.config import Config
from tnet_tf.errors import UserError
from tnet_tf.evaluation import cost, cost_report, memory, report
from tnet_tf.evaluation.stopwatch import interleaved, spread
from tnet_tf.flags import read_config
from tnet_tf.inputs import catalog
from tnet_tf.training import workloads

REFERENCE = "reference"


def main(config: Config) -> dict[str, Any]:
    """Measures what networks cost: FLOPs, parameters, time and memory, of inference and training.

    Time per image follows the paper's protocol (--sets of --batches_per_set batches of --batch_size
    images, mean and deviation over sets). All networks, and keras.applications.EfficientNetB0 at
    224 px as the unit "R" of time, take turns within every set, so that a drifting machine hits all
    alike. Networks have fresh weights and images are random. Prints a table and writes report.txt,
    report.json and cost.png to --benchmark_dir.

    Example: python -m tnet_tf.benchmark --flagfile=experiments/fmow_448.flags
      --against=experiments/fmow_896.flags --batch_size=8 --sets=5 --batches_per_set=2
    """
    networks = _networks(config)
    results = _measure(networks, config)
    text = cost_report.to_text(results)
    print(text)
    folder = Path(config.benchmark.benchmark_dir)
    files = {
        "report.txt": text.encode(),
        "report.json": report.to_json(results).encode(),
        "cost.png": cost_report.plot(results),
    }
    for name, content in files.items():
        report.write(folder / name, content, flag="--benchmark_dir")
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
        train = dataclasses.replace(other.train, batch_size=config.train.batch_size)
        configs.append(dataclasses.replace(other, train=train, benchmark=config.benchmark))
    networks: dict[str, Network] = {}
    for each in configs:
        each.benchmark.check()
        each.check_model()
        name = each.train.run_dir.removeprefix("runs/")
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


def _measure(networks: dict[str, Network], config: Config) -> dict[str, Any]:
    """Everything measured, ready for JSON."""
    settings = config.benchmark
    models = {n: workloads.build_network(x.config, x.classes) for n, x in networks.items()}
    predictions = {
        (name, count): workloads.prediction(models[name], network.config, locations)
        for name, network in networks.items()
        for count, locations in network.counts.items()
    }
    steps = {
        name: workloads.training_step(network.config, network.classes)
        for name, network in networks.items()
        if settings.training_steps
    }
    if settings.profile:
        _profile(settings.profile, [*predictions.values(), *steps.values()])
    reference = {(REFERENCE, 0): workloads.reference(config)}
    seconds = interleaved(
        {**reference, **predictions}, settings.sets, settings.batches_per_set, progress=True
    )
    training = interleaved(steps, settings.training_steps, progress=bool(steps))
    return {
        "batch_size": config.train.batch_size,
        **dataclasses.asdict(settings),
        REFERENCE: _per_image(seconds[REFERENCE, 0], config),
        "networks": {
            name: {
                "model": network.config.model.model,
                "backbone": network.config.model.backbone,
                "image_size": list(network.config.data.image_size),
                "parameters": cost.parameters(models[name]),
                "input_images_per_second": _input_rate(network.config),
                "training": _training(network, training[name]) if steps else None,
                "inference": [
                    _inference(network, models[name], count, seconds[name, count])
                    for count in network.counts
                ],
            }
            for name, network in networks.items()
        },
    }


def _inference(
    network: Network, model: keras.Model, count: int, seconds: list[float]
) -> dict[str, Any]:
    """Cost of a prediction after a number of locations."""
    config, locations = network.config, network.counts[count]
    work = (workloads.prediction_of_new_network, config, network.classes, locations)
    return {
        "locations": count,
        "gflops": cost.gflops(model, config.data.image_size, locations),
        **_per_image(seconds, config),
        "peak_bytes": _peak(config, *work),
    }


def _training(network: Network, seconds: list[float]) -> dict[str, Any]:
    """Cost of a training step."""
    work = (workloads.training_step, network.config, network.classes)
    return {
        **_per_image(seconds, network.config),
        "peak_bytes": _peak(network.config, *work),
    }


def _per_image(seconds: list[float], config: Config) -> dict[str, float]:
    """Milliseconds per image, mean and deviation over sets, out of seconds per batch."""
    mean, std = spread([1e3 * value / config.train.batch_size for value in seconds])
    return {"milliseconds": mean, "milliseconds_std": std}


def _peak(config: Config, prepare: Callable[..., workloads.Work], *arguments: Any) -> int | None:
    return memory.peak_growth(prepare, *arguments) if config.benchmark.measure_memory else None


def _input_rate(config: Config) -> float | None:
    """Images per second that reading and augmentation can give; None without records."""
    batches = config.benchmark.input_batches
    if not batches or not catalog.is_prepared(config.data):
        return None
    seconds = interleaved({"read": workloads.reading(config)}, sets=1, calls=batches)
    return config.train.batch_size / seconds["read"][0]


def _profile(folder: str, actions: list[workloads.Work]) -> None:
    """Records a few calls of each action, once they are compiled, for TensorBoard."""
    for action in actions:
        action()
    with tf.profiler.experimental.Profile(folder):
        for action in actions:
            for _ in range(3):
                action()


if __name__ == "__main__":
    command.run(main)

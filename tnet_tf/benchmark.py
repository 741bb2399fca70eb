"""Measures cost: python -m tnet_tf.benchmark --flagfile=experiments/fmow_896.flags."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tnet_tf import atomic_files, command
from tnet_tf.benchmarking import cases, costs, report, workloads
from tnet_tf.config import Config
from tnet_tf.evaluation.results import Results
from tnet_tf.flags import read_config


@command.named("benchmark")
def main(config: Config) -> Results:
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
    networks = cases.networks_of([config, *_others(config)])
    models = {n: workloads.build_network(x.config, x.classes) for n, x in networks.items()}
    with tempfile.TemporaryDirectory() as exports:
        predictions = cases.predictions(networks, models, Path(exports))
        steps = cases.training_steps(networks) if config.benchmark.training_steps else []
        if config.benchmark.profile:
            works = [case.work for case in (*predictions, *steps)]
            workloads.profile(config.benchmark.profile, works)
        times = costs.take_times(predictions, steps, config.benchmark)
    results = costs.of_networks(networks, models, times, config)
    text = report.to_text(results)
    print(text)
    folder = Path(config.benchmark.benchmark_dir)
    files = {
        "report.txt": text.encode(),
        "report.json": results.to_json().encode(),
        "cost.png": report.plot(results),
    }
    atomic_files.write_all(folder, files, "--benchmark_dir")
    print(f"written to {folder}")
    return results


def _others(config: Config) -> Iterator[Config]:
    """Settings of the networks of --against, measured as the command's own one is."""
    for path in filter(None, config.benchmark.against.split(",")):
        other = read_config(f"--flagfile={path}")
        train = dataclasses.replace(
            other.train, batch_size=config.train.batch_size, precision=config.train.precision
        )
        # Exports take minutes to write; those of one network will do.
        settings = dataclasses.replace(config.benchmark, forms=(), side_lengths=())
        yield dataclasses.replace(other, train=train, benchmark=settings)


if __name__ == "__main__":
    command.run(main)

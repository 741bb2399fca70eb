"""The demo (make demo): TNet beside two baselines with its backbone, on the built-in scenes.

Makes the scenes, trains the three networks with as many steps each, measures them on unseen scenes
and writes runs/demo/summary.json. Every run starts anew.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from tnet_tf import atomic_files, command, evaluate, prepare, train
from tnet_tf.config import Config
from tnet_tf.evaluation.results import Results
from tnet_tf.flags import read_config
from tnet_tf.run import Run

FLAG_FILES = {
    "tnet": "experiments/demo.flags",
    "thumbnail": "experiments/demo_thumbnail.flags",
    "dense": "experiments/demo_dense.flags",
}
SUMMARY = Path("runs/demo/summary.json")


@command.named("demo")
def main(_: Config) -> None:
    """Trains TNet, its thumbnail baseline and its dense baseline, and compares them.

    Takes no settings: they are in experiments/demo*.flags.
    """
    started = time.perf_counter()
    configs = {name: read_config(f"--flagfile={path}") for name, path in FLAG_FILES.items()}
    for config in configs.values():
        config.check()
    prepare.main(configs["tnet"])
    seconds, results = {}, {}
    for number, (name, config) in enumerate(configs.items(), start=1):
        print(f"\n{name}: network {number} of {len(configs)}", flush=True)
        shutil.rmtree(config.train.run_dir, ignore_errors=True)
        begun = time.perf_counter()
        train.main(config)
        seconds[name] = time.perf_counter() - begun
        results[name] = evaluate.main(config)
    total = time.perf_counter() - started
    atomic_files.write(SUMMARY, summary(results, seconds, total).to_json().encode())
    print(f"\n{table(results, seconds)}\n\nsummary: {SUMMARY}")
    evaluation = Run(configs["tnet"].train.run_dir).evaluation
    print(f"where TNet looks: {evaluation / 'attention.png'}")


def summary(results: dict[str, Results], seconds: dict[str, float], total: float) -> Results:
    """The figures of summary.json.

    Args:
      results: by network, what `evaluate` found.
      seconds: by network, how long training took.
      total: seconds of the whole demo.
    """
    figures: dict[str, dict[str, Any]] = {
        name: {measure: found.curves[measure].last for measure in ("top1", "gflops")}
        for name, found in results.items()
    }
    measures = ("top1_by_locations", "hit_rate", "gflops_by_locations")
    figures["tnet"] = {measure: results["tnet"][measure] for measure in measures}
    figures["seconds"] = {"train": sum(seconds.values()), "total": total}
    return Results(figures)


def table(results: dict[str, Results], seconds: dict[str, float]) -> str:
    """The three networks side by side."""
    lines = [f"{'network':<10} {'MFLOPs':>7} {'top-1 %':>8} {'hit rate %':>11} {'trained':>8}"]
    for name, found in results.items():
        hits = f"{found['hit_rate']:.1%}".rstrip("%") if "hit_rate" in found else "-"
        lines.append(
            f"{name:<10} {1e3 * found.curves['gflops'].last:7.1f} "
            f"{100 * found.curves['top1'].last:8.2f} {hits:>11} {seconds[name]:6.0f} s"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main)

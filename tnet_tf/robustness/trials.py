"""Accuracy and gaze under common corruptions and attacks (MGNet paper, 4.1.2 and 4.1.3)."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from tqdm import tqdm

from tnet_tf.batch import Batch
from tnet_tf.config import Config, RobustnessConfig
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.loop import Evaluation, Evaluator
from tnet_tf.evaluation.results import BY_LOCATIONS, Curve, Results
from tnet_tf.layers.pixels import to_uint8
from tnet_tf.outputs import Outputs
from tnet_tf.robustness import attacks, corruptions, report
from tnet_tf.robustness.attacks import Attacker, Budget
from tnet_tf.robustness.corruptions import corrupt
from tnet_tf.robustness.gaze_overlap import GazeOverlap
from tnet_tf.robustness.ledger import Ledger
from tnet_tf.robustness.report import CLEAN

# What a measurement is of, and what is said of it besides.
_DATA = ("dataset", "split", "image_size", "locations")
_DESCRIBED = ("run_dir", "checkpoint", "model", "backbone", "gflops_by_locations")


def check(settings: RobustnessConfig) -> None:
    """Everything that can be wrong with corruptions and attacks, to be called before any work.

    Raises:
      UserError: for settings, packages that are missing, and reports that can't be read.
    """
    settings.check()
    if settings.corruptions:
        corruptions.check_installed()
    if settings.attack:
        attacks.check_installed()
    for folder in settings.compare:
        report.read(folder)


def measure(
    config: Config,
    model: keras.Model,
    batches: Iterable[Batch],
    clean: Results,
    kept: Path,
) -> Results:
    """Measures a network under every trial that the settings ask for.

    Args:
      config: all settings.
      model: takes (images, locations=.., training=False), returns `Outputs`.
      batches: see `tnet_tf.evaluation.loop.Evaluation.run`; read once for every trial.
      clean: what `tnet_tf.evaluate` measured of the network on the same images.
      kept: file of what is measured, batch by batch, for the next measurement to go on from.

    Returns:
      What was measured, of `clean`; `settings`; and `trials`, see `Robustness.run`.

    Raises:
      UserError: when the file can't be written.
    """
    described = {name: clean[name] for name in (*_DATA, *_DESCRIBED)}
    # What every result depends on; what only some do is in their keys, so that nothing is lost
    # when other corruptions, attacks or budgets are measured.
    identity = {
        **{name: clean[name] for name in _DATA},
        "robustness_seed": config.robustness.robustness_seed,
        "eval_batch_size": config.eval.eval_batch_size,
        "weights": fingerprint(model),
    }
    ledger = Ledger(kept, identity)
    if ledger.entries:
        print(f"going on after {len(ledger.entries)} batches in {ledger.path}", flush=True)
    measured = Robustness(model, config.robustness, tuple(clean["locations"]), ledger)
    # As they are when read from JSON, which has lists instead of tuples.
    settings = Results(dataclasses.asdict(config.robustness)).to_plain()
    return Results({**described, "settings": settings, "trials": measured.run(batches)})


class Trial(NamedTuple):
    """One way of perturbing all images.

    Attributes:
      name: 'clean', a corruption or an attack.
      strength: severity of a corruption, steps of PGD, queries of Square; FGSM's is 1.
    """

    name: str
    strength: int = 0


def trials(config: RobustnessConfig) -> list[Trial]:
    """All that the settings ask for, images as they are first."""
    strengths = {"fgsm": (1,), "pgd": config.attack_steps, "square": config.attack_queries}
    corrupted = itertools.product(config.corruption_names, config.severities)
    attacked = ((name, number) for name in config.attack for number in strengths[name])
    return [Trial(CLEAN), *itertools.starmap(Trial, (*corrupted, *attacked))]


class Robustness:
    """Measures a network under every trial; goes on where an earlier measurement stopped.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`.
      config: corruptions, attacks and seed.
      locations: attended per grid, one number for each level after the first.
      ledger: keeps what is measured, batch by batch.
    """

    def __init__(
        self,
        model: keras.Model,
        config: RobustnessConfig,
        locations: tuple[int, ...],
        ledger: Ledger,
    ):
        self.model, self.config, self.locations, self.ledger = model, config, locations, ledger
        self.evaluation = Evaluation(model)
        self._attacker: Attacker | None = None

    def run(self, batches: Iterable[Batch]) -> list[Results]:
        """Measures all trials, showing batches done, their rate and the time left.

        Args:
          batches: see `tnet_tf.evaluation.loop.Evaluation.run`; read once for every trial.

        Returns:
          For each trial its `name` and `strength`, and the means over all its images: the results
          of `Accuracy` and of `GazeOverlap`, and `clean_top1_by_locations`, that of the same images
          as they were.
        """
        results = []
        planned = trials(self.config)
        with tqdm(desc="robustness", unit="batch") as progress:
            before: list[np.ndarray] = []
            clean: list[Results] = []
            for trial in planned:
                progress.set_postfix_str(f"{trial.name} {trial.strength or ''}".strip())
                parts = list(self._parts(trial, batches, before, progress))
                if not clean:
                    clean = parts
                    progress.total = self._batches(planned, parts)
                same = _means(clean[: len(parts)])["top1_by_locations"]
                named = Results(trial._asdict())
                results.append(named | _means(parts) | {"clean_top1_by_locations": same})
        return results

    def _batches(self, planned: list[Trial], parts: list[Results]) -> int:
        """Batches of all trials, where the first one had these."""
        attacked = parts
        if self.config.attack_images:
            starts = np.cumsum([0, *(part["images"] for part in parts[:-1])])
            attacked = [
                p for p, s in zip(parts, starts, strict=True) if s < self.config.attack_images
            ]
        of_attacks = sum(trial.name in self.config.attack for trial in planned)
        return len(parts) * (len(planned) - of_attacks) + len(attacked) * of_attacks

    def _parts(
        self, trial: Trial, batches: Iterable[Batch], before: list[np.ndarray], progress: tqdm
    ) -> Iterator[Results]:
        """Results of a trial batch by batch; the first trial leaves its boxes in `before`."""
        first = 0
        for number, batch in enumerate(batches):
            attacks = trial.name in self.config.attack
            if attacks and self.config.attack_images and first >= self.config.attack_images:
                return
            key = f"{trial.name} {trial.strength} batch {number}"
            if attacks:
                key += " " + _kept_as(budget(self.config))
            if trial.name == CLEAN:
                boxes = _Boxes()
                part = self.evaluation.run([batch], [Accuracy(), boxes], self.locations)
                before.append(boxes.boxes)
            elif key in self.ledger.entries:
                part = self.ledger.entries[key]
            else:
                changed = batch._replace(images=self._perturbed(trial, batch, first))
                evaluators: list[Evaluator] = [Accuracy(), GazeOverlap(before[number])]
                part = self.evaluation.run([changed], evaluators, self.locations)
                self.ledger.add(key, part)
            progress.update()
            first += part["images"]
            yield part

    def _perturbed(self, trial: Trial, batch: Batch, first: int) -> np.ndarray:
        """The images of a batch, float32 in [-1, 1], corrupted or attacked."""
        images, seed = np.asarray(batch.images), self.config.robustness_seed
        if trial.name in self.config.corruption_names:
            changed = corrupt(to_uint8(images), trial.name, trial.strength, seed, first)
            return (changed / np.float32(127.5) - 1).astype(np.float32)
        if self._attacker is None:
            self._attacker = Attacker(
                self.model, images.shape[1:3], budget(self.config), self.locations, seed
            )
        labels = np.asarray(batch.labels)
        return self._attacker.perturb(trial.name, images, labels, trial.strength, first)


def budget(config: RobustnessConfig) -> Budget:
    """What an attack may do."""
    return Budget(
        epsilon=config.attack_epsilon,
        step=config.attack_step_size,
        random_start=config.attack_random_start,
        clip=config.attack_clip,
        units=config.attack_units,
    )


def _kept_as(budget: Budget) -> str:
    """A budget in the keys of results.

    Settings at their default are left out, so that results stay usable when a setting is added.
    """
    defaults = Budget._field_defaults.items()
    return json.dumps(dict(item for item in budget._asdict().items() if item not in defaults))


def fingerprint(model: keras.Model) -> str:
    """A digest of all weights."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


class _Boxes:
    """Keeps the attended regions of a batch."""

    def __init__(self) -> None:
        self.boxes = np.zeros((0, 0, 4))

    def update(self, outputs: Outputs, batch: Batch) -> None:
        self.boxes = np.asarray(outputs.boxes)

    def results(self) -> Iterator[tuple[str, Any]]:
        return iter(())


def _means(parts: Sequence[Results]) -> Results:
    """Means over the images of all parts."""
    counts = [part["images"] for part in parts]
    means = {
        f"{name}{BY_LOCATIONS}": Curve.mean([part.curves[name] for part in parts], counts)
        for name in parts[0].curves
    }
    return Results({"images": sum(counts), **means})

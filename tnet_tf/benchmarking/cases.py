"""What benchmark times: networks by their names, and of each of them pieces of work."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from tnet_tf.benchmarking import workloads
from tnet_tf.config import Config
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog
from tnet_tf.models.factory import MODELS
from tnet_tf.models.precision import copy_in
from tnet_tf.run import Run
from tnet_tf.serving import formats
from tnet_tf.serving.saved_model import Runner

# Kinds of cases.
LOCATIONS, FORM, SIDE, TRAINING, REFERENCE = "locations", "form", "side", "training", "reference"


@dataclasses.dataclass(frozen=True)
class Network:
    """One of the networks compared.

    Attributes:
      config: its settings, with benchmark's ways of measuring.
      classes: how many it tells apart.
      counts: the call's `locations` by the number of locations they make in all.
    """

    config: Config
    classes: int
    counts: Mapping[int, tuple[int, ...]]


class Case(NamedTuple):
    """A piece of work to time.

    Attributes:
      network: its name; that of the unit of time is `REFERENCE`.
      kind: `LOCATIONS`: a prediction after so many; `FORM`: one by an export; `SIDE`: one by the
        SavedModel, of images with such a side in pixels; `TRAINING`: a training step; `REFERENCE`.
      value: number of locations, name of the form or side.
      work: one call of it.
      batch_size: how many images one call takes.
    """

    network: str
    kind: str
    value: int | str
    work: workloads.Work
    batch_size: int


def networks_of(configs: Sequence[Config]) -> dict[str, Network]:
    """The networks to compare by the names of their runs, checked before any work.

    Args:
      configs: settings of each.

    Raises:
      UserError: for settings out of range, packages that are missing, a rule that a network does
        not learn by, two networks of one name, a number of classes that is not known.
    """
    networks: dict[str, Network] = {}
    for config in configs:
        config.benchmark.check()
        for form in config.benchmark.forms:
            formats.check_installed(form)
        config.check_model()
        if config.benchmark.training_steps:
            config.check_rule()
        name = Run(config.train.run_dir).name
        if name in networks:
            raise UserError(
                f"--against: two networks have the --run_dir {config.train.run_dir}, by which the "
                "benchmark names them; give each its own"
            )
        networks[name] = Network(config, _classes(config), _counts(config))
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
    model = MODELS[config.model.model]
    possible = model.stops(config.model.locations)
    if not model.attends:
        return possible
    counts = config.benchmark.location_counts or tuple(possible)
    for count in counts:
        if count not in possible:
            locations, ends = (",".join(map(str, n)) for n in (config.model.locations, possible))
            raise UserError(
                f"--location_counts={count} is not where --locations={locations} can end: {ends}"
            )
    return {count: possible[count] for count in counts}


def predictions(
    networks: Mapping[str, Network], models: Mapping[str, keras.Model], exports: Path
) -> list[Case]:
    """All predictions that are timed: those of each network, and those of its exports.

    Args:
      networks: by name.
      models: the networks themselves.
      exports: folder for exports; they are read from there while they are timed.
    """
    cases: list[Case] = []
    for order, (name, network) in enumerate(networks.items()):
        batch = network.config.train.batch_size
        for count, locations in network.counts.items():
            work = workloads.prediction(models[name], network.config, locations)
            cases.append(Case(name, LOCATIONS, count, work, batch))
        cases += _exported(name, network, models[name], exports / str(order))
    return cases


def _exported(name: str, network: Network, model: keras.Model, folder: Path) -> Iterator[Case]:
    """Predictions by exports, with all locations, of uint8 images."""
    settings, batch = network.config.benchmark, network.config.train.batch_size
    sides = settings.side_lengths if model.attends else ()
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
        yield Case(name, FORM, form, functools.partial(runner(form), images), batch)
    for side in sides:
        larger = workloads.pixels(batch, side, side)
        work = functools.partial(runner("savedmodel"), larger)
        yield Case(name, SIDE, side, work, batch)


def training_steps(networks: Mapping[str, Network]) -> list[Case]:
    """A training step of each network."""
    return [
        Case(
            name,
            TRAINING,
            TRAINING,
            workloads.training_step(network.config, network.classes),
            network.config.train.batch_size,
        )
        for name, network in networks.items()
    ]


def reference() -> Case:
    """The unit of time, in which networks can be compared across machines."""
    work = workloads.reference()
    return Case(REFERENCE, REFERENCE, REFERENCE, work, workloads.REFERENCE_BATCH)

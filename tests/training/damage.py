"""Damages the files of a run in many ways, for what reads them to tell.

For many more tries than the tests make, here 400 from seed 1:

    python -m tests.training.damage 400 1
"""

import collections
import dataclasses
import io
import json
import pathlib
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable

import keras
import numpy as np

from tests.damage import WAYS, Random, empty, flipped, garbage, truncated, zeroed
from tests.training.runs import prepared, short_run
from tnet_tf.errors import DoubtfulSettings, UserError
from tnet_tf.inputs import catalog
from tnet_tf.models.factory import build_model
from tnet_tf.models.weights.load import load_pretrained
from tnet_tf.models.weights.names import variable_names
from tnet_tf.training.checkpoints import load_model
from tnet_tf.training.trainer import Trainer

_VALUES = (None, True, -1, 0.5, "text", [], [1, "a"], {}, [[1]], 1e400)


def other_json(content: bytes, random: Random) -> bytes:
    """A value is another, or goes, or has another name."""
    try:
        tree = json.loads(content)
    except ValueError:
        return flipped(content, random)
    places = [(branch, key) for branch in _branches(tree) for key in branch]
    branch, key = places[random.integers(len(places))]
    value = branch.pop(key)
    match random.integers(3):
        case 0:
            branch[key] = _VALUES[random.integers(len(_VALUES))]
        case 1:
            branch[key + "x"] = value
    return json.dumps(tree).encode()


def _branches(tree):
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _branches(value)


def repacked(content: bytes, random: Random) -> bytes:
    """A member of a zip archive is damaged or missing, while all checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = sorted(members)[random.integers(len(members))]
    ways = (truncated, flipped, zeroed, garbage, empty, other_json, None)
    way = ways[random.integers(len(ways))]
    member = members.pop(name)
    if way is not None:
        members[name] = way(member, random)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return written.getvalue()


FILES: dict[str, tuple[Callable[[bytes, Random], bytes], ...]] = {
    "best.keras": (*WAYS, repacked, repacked, repacked),
    "config.json": (*WAYS, other_json, other_json, other_json),
    "checkpoints/checkpoint": WAYS,
    "checkpoints/ckpt-4.index": WAYS,
    "checkpoints/ckpt-4.data-00000-of-00001": WAYS,
}


class Whole:
    """A finished run, and what may be read out of it.

    Args:
      folder: where it is trained, and damaged.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder, self.run_dir = folder, folder / "run"
        self.config = short_run(prepared(folder / "records"), f"--run_dir={self.run_dir}")
        self.dataset = catalog.open_dataset(self.config.data)
        Trainer(self.config, self.dataset).fit()
        shutil.copytree(self.run_dir, folder / "whole")
        self.good = [self.restored(), self.best(), self.last()]
        for part in self.run_dir.glob("checkpoints/ckpt-4.*"):
            part.unlink()
        self.good.append(self.restored())

    def whole(self) -> pathlib.Path:
        """The run's folder with all files as they were."""
        shutil.rmtree(self.run_dir)
        shutil.copytree(self.folder / "whole", self.run_dir)
        return self.run_dir

    def damaged(self, name: str, random: Random) -> str:
        """Damages one file of the run, all others being whole; returns the way it was done."""
        path, ways = self.whole() / name, (*FILES[name], None)
        content, way = path.read_bytes(), ways[random.integers(len(ways))]
        path.unlink()
        if way is None:
            path.mkdir()
            return "a folder"
        path.write_bytes(way(content, random))
        return way.__name__

    def best(self) -> dict[str, np.ndarray]:
        """The weights that evaluate and export read."""
        return _weights(load_model(self.config))

    def last(self) -> dict[str, np.ndarray]:
        """The weights that they read with --checkpoint=last."""
        last = dataclasses.replace(self.config.eval, checkpoint="last")
        return _weights(load_model(dataclasses.replace(self.config, eval=last)))

    def restored(self) -> dict[str, np.ndarray]:
        """The weights with which train goes on."""
        trainer = Trainer(self.config, self.dataset)
        trainer.checkpoints.restore()
        return _weights(trainer.model)

    def pretrained(self) -> dict[str, np.ndarray]:
        """The weights that another run starts from."""
        model = build_model(self.config.model, len(self.dataset.classes))
        load_pretrained(model, str(self.run_dir))
        return _weights(model)

    def told(self, name: str, way: str, read: Callable[[], dict[str, np.ndarray]]) -> str:
        """What a user is told of a damaged file; nothing where it did not matter.

        Raises:
          AssertionError: when the weights are others than before.
        """
        try:
            weights = read()
        except (UserError, DoubtfulSettings) as error:  # Warnings are errors in tests.
            assert "\n" not in str(error), error
            return str(error)
        # Settings may be others and as good, and so may be a file whose checksums are right.
        if name != "config.json" and way != "repacked":
            assert any(_same(weights, good) for good in self.good), (name, way)
        return ""


def _weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in variable_names(model).items()}


def _same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[n] == other[n]).all() for n in one)


def main(count: int, seed: int) -> None:
    """Damages a run so many times; prints what users are told, and how often."""
    random, found = np.random.default_rng(seed), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Whole(pathlib.Path(folder))
        for number in range(count):
            name = list(FILES)[number % len(FILES)]
            way = run.damaged(name, random)
            for read in (run.best, run.last, run.restored, run.pretrained):
                try:
                    told = run.told(name, way, read)
                except Exception as error:
                    traceback.print_exc()
                    told = f"FAILED: {type(error).__name__}"
                    shutil.copytree(run.run_dir, f"{folder}-{number}", dirs_exist_ok=True)
                found[name, way, read.__name__, told[:200].replace(folder, "")] += 1
    for row, times in sorted(found.items()):
        print(times, *row, sep=" | ")
    failures = sum(n for (*_, told), n in found.items() if told.startswith("FAILED"))
    print(f"{count} damaged files, {sum(found.values())} reads, {failures} failures")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

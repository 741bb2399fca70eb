"""Damages image files and folders of them in many ways, for prepare to tell or to store readably.

For 2,000 damaged files, and a tenth as many folders of unusual shapes, from seed 1:

    python -m tests.fuzz.image_files --count=2000 --seed=1

Each file or folder must be stored so that training reads it, or be told in one line.
"""

import argparse
import collections
import contextlib
import faulthandler
import os
import pathlib
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator

import numpy as np

from tests.damage import Random
from tests.fuzz.folder_shapes import NOT_REGULAR, SHAPES
from tests.fuzz.image_damage import WAYS
from tests.fuzz.prepared_folder import PreparedFolder
from tests.fuzz.whole_images import KINDS, any_kind, whole_image
from tests.inputs.images import make_folder

_FILES_A_FOLDER = 20
_OTHER_ENDINGS = ("jpg", "JPEG", "png", "bmp", "gif", "webp")
_SECONDS = 120
_BYTES = 2 * 10**9

Told = collections.Counter[tuple[str, str]]
"""How often of what kind of damage, what was told."""


def damaged_files(place: pathlib.Path, count: int, random: Random) -> Told:
    """Prepares a folder with so many files, each damaged in a way drawn from all.

    Raises:
      AssertionError: see `prepared_files`.
    """
    files = []
    for _ in range(count):
        way, kind = WAYS[random.integers(len(WAYS))], any_kind(random)
        endings = (KINDS[kind][0],) * len(_OTHER_ENDINGS) + _OTHER_ENDINGS
        ending = endings[random.integers(len(endings))]
        files.append((way.__name__, ending, way(whole_image(kind, random), random)))
    settings = ("", "--max_shorter_side=16", "--max_pixels=1000000")[random.integers(3)]
    return prepared_files(place, files, random, *filter(None, [settings]))


def prepared_files(
    place: pathlib.Path, files: Iterable[tuple[str, str, bytes]], random: Random, *settings: str
) -> Told:
    """Prepares a folder of given files and a few whole ones; in one of four cases with boxes.

    Args:
      place: an empty folder.
      files: of each, what is told of it later, its name's ending, and its content.
      random: draws split and class of each file.
      *settings: flags besides those of folders.

    Returns:
      Why they are skipped; 'stored' for what is stored.

    Raises:
      AssertionError: see `PreparedFolder`; a file is neither stored nor told; a whole one is not
        stored.
    """
    folder, kinds = PreparedFolder(place, *settings), {}
    make_folder(folder.root, {"train": 2, "test": 1})
    whole = {path.relative_to(folder.root).as_posix() for path in folder.root.rglob("*.png")}
    for number, (kind, ending, content) in enumerate(files):
        split, its_class = ("train", "test")[number % 2], ("cat", "dog")[random.integers(2)]
        file = f"{split}/{its_class}/file{number}.{ending}"
        (folder.root / file).write_bytes(content)
        kinds[file] = kind
    if not random.integers(4):
        rows = ["file,x_min,y_min,x_max,y_max", *(f"{file},0,0,1,1" for file in kinds)]
        (folder.root / "boxes.csv").write_text("\n".join(rows))
    stops, skips = folder.answer("stop"), folder.answer("skip")
    assert skips.code == 0, skips.error
    stored, skipped = set(folder.stored()), dict(line.split(": ", 1) for line in folder.skipped())
    assert whole <= stored, whole - stored
    assert stored.isdisjoint(skipped)
    assert stored | skipped.keys() == whole | kinds.keys()
    assert bool(skipped) == bool(stops.code), (stops, skipped)
    assert all(any(line.startswith(f"skipped {file}: ") for line in skips.out) for file in skipped)
    return Told((kind, _general(skipped.get(file, "stored"))) for file, kind in kinds.items())


def folder_shape(place: pathlib.Path, shape: str, random: Random) -> Told:
    """Prepares a folder of a shape that is given by its name in `SHAPES`.

    Returns:
      What was told of it: why it is refused, what is skipped, or 'stored'.

    Raises:
      AssertionError: see `PreparedFolder`.
    """
    folder = PreparedFolder(place)
    make_folder(folder.root, {"train": 3, "test": 2})
    SHAPES[shape](folder.root, random)
    told = Told()
    stops, skips = folder.answer("stop"), folder.answer("skip")
    assert stops.code or not skips.code, (stops, skips)
    for answer in (stops, skips):
        assert NOT_REGULAR.get(shape, "") in "\n".join([answer.error, *answer.out]), answer
    if skips.code:
        told[shape, _general(skips.error)] += 1
        return told
    stored, skipped = list(folder.stored()), folder.skipped()
    assert len(stored) == len(set(stored))
    assert bool(skipped) == bool(stops.code), (stops, skipped)
    lines = [line for line in skips.out if line.startswith("skipped ")]
    assert len(lines) == len(skipped) + bool(skipped), lines
    told[shape, _general(lines[0]) if lines else "stored"] += 1
    return told


def _general(line: str) -> str:
    """What is told without names and numbers, so that equal things count as equal."""
    line = re.sub(r"(--folder=)?/\S*|skipped \S*", "..", line)
    return re.sub(r"\d[\d.]*|0x\w+|b'.*'", "N", line)[:120]


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Ends the program with the stacks of all threads when what is done in it takes too long."""
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _remove(folder: pathlib.Path) -> None:
    for path, inner, _ in os.walk(folder):
        for name in inner:
            with contextlib.suppress(OSError):  # Links to nothing, and paths that are too long.
                os.chmod(os.path.join(path, name), 0o700)
    shutil.rmtree(folder)


def main(count: int, seed: int) -> int:
    """Damages so many files and a tenth as many folders; prints what was told, and how often.

    Failures are printed with their stack traces, and their folders are kept. A hang ends the
    program with the stacks of all threads.

    Returns:
      The number of failures, and one for too much memory.
    """
    started, told, failures = time.monotonic(), Told(), 0
    work = [f"{_FILES_A_FOLDER} files"] * (count // _FILES_A_FOLDER)
    work += list(SHAPES) * (count // 10 // len(SHAPES))
    for number, what in enumerate(work):
        random = np.random.default_rng((seed, number))
        place = pathlib.Path(tempfile.mkdtemp(prefix=f"fuzz-{seed}-{number}-"))
        try:
            with _time_limit():
                if what in SHAPES:
                    told += folder_shape(place, what, random)
                else:
                    told += damaged_files(place, _FILES_A_FOLDER, random)
            _remove(place)
        except Exception:
            failures += 1
            traceback.print_exc()
            print(f"FAILED: {what}, kept in {place}", file=sys.stderr, flush=True)
    for (way, line), times in sorted(told.items()):
        print(times, way, line, sep=" | ")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{count} damaged files, {len(work)} folders, {failures} failures, at most "
        f"{peak / 1e9:.2f} GB of memory, {time.monotonic() - started:.0f} s"
    )
    return failures + (peak > _BYTES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="how many files are damaged")
    parser.add_argument("--seed", type=int, default=1, help="decides all damage")
    sys.exit(min(1, main(**vars(parser.parse_args()))))

"""Damages image files of all kinds, for sources to tell in one line or to read within bounds.

For 2,000 damaged files from seed 1:

    python -m tests.fuzz.image_sources --count=2000 --seed=1
"""

import argparse
import collections
import faulthandler
import functools
import re
import resource
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests import damage
from tests.damage import Random
from tests.fuzz import image_damage
from tests.fuzz.whole_images import any_kind, whole_image
from tests.images import kinds
from tnet_tf.errors import UserError
from tnet_tf.images.open_source import open_source
from tnet_tf.images.regions import Rectangle, whole
from tnet_tf.images.source import Source
from tnet_tf.images.view import view

_SECONDS = 60
_BYTES = 2 * 10**9
_MAX_PIXELS = 2**24
_NUMBERS = (0, 1, 2, 3, 5, 8, 255, 256, 4097, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_TIFF_KINDS = [name for name, kind in kinds.KINDS.items() if kind.ending in ("tif", "svs")]


def other_tag(content: bytes, random: Random) -> bytes:
    """A field of one of the entries that describe a TIFF's first page has another value."""
    changed = bytearray(content)
    big = struct.unpack_from("<H", content, 2)[0] == 43
    start = struct.unpack_from(*(("<Q", content, 8) if big else ("<I", content, 4)))[0]
    entries = struct.unpack_from("<Q" if big else "<H", content, start)[0]
    first, length, fields = (8, 20, "HHQQ") if big else (2, 12, "HHII")
    place = start + first + length * int(random.integers(entries))
    entry = list(struct.unpack_from("<" + fields, changed, place))
    field = random.integers(len(entry))
    most = 256 ** struct.calcsize("<" + fields[field]) - 1
    entry[field] = min(_NUMBERS[random.integers(len(_NUMBERS))], most)
    struct.pack_into("<" + fields, changed, place, *entry)
    return bytes(changed)


TIFF_WAYS = (*damage.WAYS, other_tag, other_tag, other_tag, other_tag)


@functools.cache
def _tiff(kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        kinds.KINDS[kind].write(path, kinds.pyramid(kinds.picture(152, 212)))
        return path.read_bytes()


def damaged_file(path: Path, random: Random) -> tuple[str, str]:
    """Damages a file of any kind, and reads it.

    Returns:
      How it was damaged, and what was told of it: a line, or 'read'.

    Raises:
      AssertionError: it is told in another way than by a line that names the file.
    """
    if random.integers(2):
        kind = _TIFF_KINDS[random.integers(len(_TIFF_KINDS))]
        way, content = TIFF_WAYS[random.integers(len(TIFF_WAYS))], _tiff(kind)
        opens = kinds.KINDS[kind].open
    else:
        way = image_damage.WAYS[random.integers(len(image_damage.WAYS))]
        content, opens = whole_image(any_kind(random), random), open_source
    path.write_bytes(way(content, random))
    try:
        if opens is open_source:
            with open_source(path, max_pixels=_MAX_PIXELS) as source:
                look(source)
        else:
            with opens(str(path)) as source:
                look(source)
    except UserError as error:
        line = str(error)
        assert line.startswith(f"{path}: "), line
        assert line.isprintable(), line
        said = line.removeprefix(f"{path}: ")
        return way.__name__, re.sub(r"\d[\d.]*|0x\w+|b'.*'", "N", said)[:120]
    return way.__name__, "read"


def look(source: Source) -> None:
    """A thumbnail and a crop, unless the image is too large for a test of seconds."""
    if source.size.height * source.size.width <= 100 * _MAX_PIXELS:
        view(source, whole(source.size), (8, 9), antialias=True)
        view(source, whole(source.size), (8, 9))
    view(source, Rectangle(5, 7, 30, 40), (16, 16))


def main(count: int, seed: int) -> int:
    """Damages so many files; prints what was told, and how often.

    Failures are raised. A hang or a crash ends the program with the stacks of all threads.

    Returns:
      1 for too much memory.
    """
    told: collections.Counter[tuple[str, str]] = collections.Counter()
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="fuzz-sources-") as folder:
        for number in range(count):
            path = Path(folder) / "damaged"
            faulthandler.dump_traceback_later(_SECONDS, exit=True)
            try:
                told[damaged_file(path, np.random.default_rng((seed, number)))] += 1
            except BaseException:
                print(f"FAILED: number {number} of seed {seed}", file=sys.stderr, flush=True)
                raise
            finally:
                faulthandler.cancel_dump_traceback_later()
    for (way, line), times in sorted(told.items()):
        print(times, way, line, sep=" | ")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{count} damaged files, at most {peak / 1e9:.2f} GB of memory")
    return int(peak > _BYTES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="how many files are damaged")
    parser.add_argument("--seed", type=int, default=1, help="decides all damage")
    sys.exit(main(**vars(parser.parse_args())))

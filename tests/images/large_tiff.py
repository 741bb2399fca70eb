"""Writes a tiled, pyramidal TIFF of any side in seconds; most tiles of a very large one are empty.

python -m tests.images.large_tiff PATH --side=16384
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from tests.images.kinds import picture

TILE = 256
SMALLEST = 256
_DIFFERENT_TILES = 16
# Files stay small: of a level with more tiles than these, the others are empty.
_FILLED_TILES = 4096


def write(path: Path, side: int, seed: int = 0) -> None:
    """Writes the file, 8 bits of RGB, JPEG; its smaller sizes are SubIFDs, each half the last one.

    Args:
      path: to write.
      side: of the square image, in pixels.
      seed: of its tiles.
    """
    encoded = [
        imagecodecs.jpeg_encode(picture(TILE, TILE, seed=number), level=90, colorspace="RGB")
        for number in range(seed, seed + _DIFFERENT_TILES)
    ]
    sides = [side]
    while sides[-1] > SMALLEST:
        sides.append(sides[-1] // 2)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level, each in enumerate(sides):
            subifds = {"subfiletype": 1} if level else {"subifds": len(sides) - 1}
            file.write(
                _tiles((-(-each // TILE)) ** 2, encoded, seed + level),
                shape=(each, each, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                compression="jpeg",
                photometric="rgb",
                metadata=None,
                **subifds,
            )


def _tiles(count: int, encoded: list[bytes], seed: int) -> Iterator[bytes]:
    random = np.random.default_rng(seed)
    for _ in range(count):
        filled = random.random() < _FILLED_TILES / count
        yield encoded[random.integers(len(encoded))] if filled else b""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--side", type=int, default=16_384)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    write(asked.path, asked.side, asked.seed)
    print(f"{asked.path}: {asked.side} x {asked.side} pixels, {asked.path.stat().st_size} bytes")

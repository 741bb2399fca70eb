"""Microscopes' slides in the formats of their makers, by OpenSlide."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tnet_tf.images.bands import choose, on_white
from tnet_tf.images.source import (
    MAX_PIXELS,
    Size,
    Source,
    check_decodable,
    check_installed,
    explained,
)

_CACHE_BYTES = 2**26
_TILE = Size(256, 256)


class SlideSource(Source):
    """A slide: Hamamatsu, Leica, MIRAX, Philips, Ventana, Zeiss and others, 8 bits of RGB.

    What was not scanned is white. All slides share one cache of decoded tiles. OpenSlide names
    windows of every level by pixels of level 0: where sides of levels are no whole fractions, they
    are off by up to half of such a pixel. `bytes_read` and `requests` count pixels and windows,
    since OpenSlide does not tell what it reads of the file.

    Args:
      path: of the file, or of the one that names the others.
      bands: of red, green and blue; all without.
      max_pixels: of a tile.

    Raises:
      UserError: OpenSlide can't read it, or is not installed.
    """

    def __init__(
        self, path: str | Path, bands: Sequence[int] | None = None, max_pixels: int = MAX_PIXELS
    ):
        name = str(path)
        check_installed(name, "wsi", "openslide")
        import openslide

        self._bands = choose(name, bands, 3) if bands is not None else (0, 1, 2)
        with explained(name):
            self._slide = openslide.OpenSlide(path)
            self._slide.set_cache(_shared_cache())
            said = self._slide.properties
            levels = [Size(height, width) for width, height in self._slide.level_dimensions]
            tiles = [
                Size(
                    int(said.get(f"openslide.level[{level}].tile-height", _TILE.height)),
                    int(said.get(f"openslide.level[{level}].tile-width", _TILE.width)),
                )
                for level in range(len(levels))
            ]
            across, down = (said.get(f"openslide.mpp-{axis}") for axis in "xy")
        super().__init__(name, levels, tiles, len(self._bands), np.dtype(np.uint8))
        for tile in tiles:
            check_decodable(name, "it has tiles of", tile, max_pixels, "give more")
        if across and down:
            self.pixel_size = float(down), float(across)

    def _read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        # OpenSlide wants the corner in pixels of level 0.
        scale = self._slide.level_downsamples[level]
        corner = (round(left * scale), round(top * scale))
        pixels = np.asarray(self._slide.read_region(corner, level, (width, height)))
        self._spend(1, pixels.nbytes)
        return on_white(pixels[..., :3], pixels[..., 3])[..., self._bands]

    def close(self) -> None:
        """Closes the file."""
        self._slide.close()


def is_slide(path: str | Path) -> bool:
    """Whether OpenSlide is there and knows the maker of a file, other than as any tiled TIFF."""
    try:
        import openslide
    except ImportError:
        return False
    # Aperio's files are TIFFs that `tnet_tf.images.tiff` reads.
    return openslide.OpenSlide.detect_format(path) not in (None, "generic-tiff", "aperio")


@functools.cache
def _shared_cache() -> Any:
    import openslide

    return openslide.OpenSlideCache(_CACHE_BYTES)

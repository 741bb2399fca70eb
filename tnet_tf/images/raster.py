"""GeoTIFF and cloud-optimised GeoTIFF (COG), on local disk, over http(s):// and s3://, by rasterio.

Windows and overviews are read as they are stored, without GDAL's resampling.
"""

import queue
import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tnet_tf.errors import UserError, one_line
from tnet_tf.images.bands import (
    Bands,
    as_stored,
    choose,
    from_palette,
    of_full_range,
    some_of,
    visible,
)
from tnet_tf.images.network_reads import network_reads
from tnet_tf.images.source import (
    MAX_PIXELS,
    Georeference,
    Size,
    Source,
    check_decodable,
    check_installed,
    explained,
)

if TYPE_CHECKING:
    from rasterio import DatasetReader

_SECONDS = 30
_SETTINGS = {
    "GDAL_CACHEMAX": 2**26,
    "GDAL_HTTP_TIMEOUT": _SECONDS,
    "GDAL_HTTP_CONNECTTIMEOUT": 10,
    "GDAL_HTTP_MAX_RETRY": 1,
    "GDAL_HTTP_RETRY_DELAY": 1,
    "GDAL_INGESTED_BYTES_AT_OPEN": 2**15,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "CPL_VSIL_NETWORK_STATS_ENABLED": "YES",
}
# Nothing is asked for beside the file itself.
_REMOTE_SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
_MICROMETRES_PER_METRE = 1e6
# Warnings are the process's, not the thread's.
_warnings_lock = threading.Lock()


class RasterSource(Source):
    """A GeoTIFF, or a TIFF of any kind behind a URL; its overviews are the further levels.

    Each thread reads by a dataset of its own.

    Args:
      place: a path, http(s):// or s3:// (keys and region as GDAL finds them, in AWS_.. variables).
      bands: numbers of bands, from 0 on; what one sees without.
      max_pixels: of a tile or strip.

    Raises:
      UserError: it is no TIFF, damaged, of a kind that can't be read, or can't be reached in time;
        its strips are too large; packages are missing.
    """

    def __init__(
        self, place: str, bands: Sequence[int] | None = None, max_pixels: int = MAX_PIXELS
    ):
        check_installed(place, "geo", "rasterio")
        self._path = gdal_path(place)
        self._remote = self._path != place
        self._spent_before = network_reads(self._path) if self._remote else (0, 0)
        self._free: list[queue.LifoQueue[DatasetReader]] = [queue.LifoQueue()]
        with explained(place):
            first = self._dataset(0)
            levels, tiles = [Size(*first.shape)], [Size(*first.block_shapes[0])]
            for level in range(1, 1 + len(first.overviews(1))):
                self._free.append(queue.LifoQueue())
                smaller = self._dataset(level)
                levels.append(Size(*smaller.shape))
                tiles.append(Size(*smaller.block_shapes[0]))
                self._free[level].put(smaller)
            self._bands = _bands(place, first, bands)
            self.pixel_size, self.georeference = _pixel_size(first), _georeference(first)
            self._free[0].put(first)
        super().__init__(place, levels, tiles, self._bands.number, self._bands.dtype)
        for tile in tiles:
            cure = "save it tiled, such as by gdal_translate -of COG IN OUT"
            check_decodable(place, "it has tiles or strips of", tile, max_pixels, cure)

    @property
    def bytes_read(self) -> int:
        """Of a URL, as GDAL counts them for the whole process; 0 of a local file."""
        return network_reads(self._path)[1] - self._spent_before[1] if self._remote else 0

    @property
    def requests(self) -> int:
        """Of a URL, as GDAL counts them: ranges that are asked for at once are one; else 0."""
        return network_reads(self._path)[0] - self._spent_before[0] if self._remote else 0

    def _environment(self) -> Any:
        import rasterio

        return rasterio.Env(**_SETTINGS, **(_REMOTE_SETTINGS if self._remote else {}))

    def _dataset(self, level: int) -> "DatasetReader":
        """An open dataset of a level that no other thread has."""
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning

        try:
            return self._free[level].get_nowait()
        except queue.Empty:
            pass
        overview = {"OVERVIEW_LEVEL": level - 1} if level else {}
        with self._environment(), _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(self._path, driver="GTiff", sharing=False, **overview)
            dataset.transform  # noqa: B018, where it warns.
            return dataset

    def _read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        from rasterio.windows import Window

        samples = self._bands.samples
        different = sorted(set(samples))
        dataset = self._dataset(level)
        with self._environment():
            stored = dataset.read(
                [sample + 1 for sample in different], window=Window(left, top, width, height)
            )
        self._free[level].put(dataset)
        stored = stored[[different.index(sample) for sample in samples]]
        return self._bands.convert(np.moveaxis(stored, 0, -1))

    def close(self) -> None:
        """Closes the file."""
        for free in self._free:
            while not free.empty():
                free.get().close()


def gdal_path(place: str) -> str:
    """How GDAL names a URL; paths stay as they are.

    >>> gdal_path("https://example.org/a.tif"), gdal_path("s3://bucket/a.tif")
    ('/vsicurl/https://example.org/a.tif', '/vsis3/bucket/a.tif')
    """
    scheme, found, rest = place.partition("://")
    if not found:
        return place
    return f"/vsis3/{rest}" if scheme.lower() == "s3" else f"/vsicurl/{place}"


def _bands(name: str, dataset: "DatasetReader", bands: Sequence[int] | None) -> Bands:
    """What is read of the pixels."""
    from rasterio.enums import ColorInterp

    dtype, count = np.dtype(dataset.dtypes[0]), dataset.count
    if dtype.kind not in "ui" or len(set(dataset.dtypes)) > 1:
        types = ", ".join(sorted(set(dataset.dtypes)))
        raise UserError(
            f"{one_line(name)}: its pixels are {types}; save it with integers of 8 or 16 bits"
        )
    kinds = dataset.colorinterp
    if kinds[0] == ColorInterp.palette:
        colours = dataset.colormap(1)
        table = np.array([colours.get(number, (0, 0, 0))[:3] for number in range(max(colours) + 1)])
        return some_of(name, from_palette(table.astype(np.uint8)), bands)
    if bands is not None:
        read = as_stored(choose(name, bands, count), dtype)
    else:
        rgb = kinds[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        alpha = kinds.index(ColorInterp.alpha) if ColorInterp.alpha in kinds else None
        read = visible(count, dtype, rgb, alpha, premultiplied=False)
    bits = dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8 * dtype.itemsize)
    return of_full_range(read, int(bits))


def _georeference(dataset: "DatasetReader") -> Georeference | None:
    if dataset.transform.is_identity and not dataset.crs:
        return None
    return Georeference(dataset.transform[:6], dataset.crs.to_string() if dataset.crs else "")


def _pixel_size(dataset: "DatasetReader") -> tuple[float, float] | None:
    """Height and width in micrometres, where coordinates are lengths."""
    if not dataset.crs or not dataset.crs.is_projected:
        return None
    metres = dataset.crs.linear_units_factor[1] * _MICROMETRES_PER_METRE
    across, skew, _, turn, down, _ = dataset.transform[:6]
    return float(np.hypot(skew, down)) * metres, float(np.hypot(across, turn)) * metres

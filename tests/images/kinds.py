"""A file of every kind that sources read, and what its decoder makes of it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import tifffile
from PIL import Image

from tests.inputs.images import encoded
from tnet_tf.images.open_source import open_source
from tnet_tf.images.raster import RasterSource
from tnet_tf.images.slide import SlideSource
from tnet_tf.images.source import Source

Levels = list[np.ndarray]


class Kind(NamedTuple):
    """How a kind of file is made and opened.

    Attributes:
      write: makes the file of the image at its sizes, returns them as decoding gives them.
      open: opens the file.
      ending: of its name.
      sides: height and width of the image that the tests make.
    """

    write: Callable[[Path, Levels], Levels]
    open: Callable[[str], Source] = open_source
    ending: str = "tif"
    sides: tuple[int, int] = (301, 430)


def picture(height: int, width: int, bands: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise, (height, width, bands) uint8."""
    random = np.random.default_rng(seed)
    rows, columns = np.arange(height)[:, None, None], np.arange(width)[:, None]
    waves = np.sin(rows / 9 + np.arange(bands)) + np.cos(columns / 13 + np.arange(bands))
    noise = random.normal(0, 15, (height, width, bands))
    return np.clip(128 + 50 * waves + noise, 0, 255).astype(np.uint8)


def pyramid(pixels: np.ndarray) -> Levels:
    """The image, its half and its quarter, each the mean of blocks."""
    levels = [pixels]
    for _ in range(2):
        last = levels[-1][: levels[-1].shape[0] // 2 * 2, : levels[-1].shape[1] // 2 * 2]
        height, width, bands = last.shape
        blocks = last.reshape(height // 2, 2, width // 2, 2, bands)
        levels.append(np.rint(blocks.mean(axis=(1, 3))).astype(pixels.dtype))
    return levels


def _tiff(pages: bool = False, deep: bool = False, **settings: object) -> Callable:
    """A TIFF; its smaller sizes are SubIFDs, or pages."""

    def write(path: Path, levels: Levels) -> Levels:
        if deep:
            levels = [level.astype(np.uint16) * 251 for level in levels]
        with tifffile.TiffWriter(path, bigtiff=deep) as file:
            for number, level in enumerate(levels):
                own = {} if pages or number else {"subifds": len(levels) - 1}
                kind = {"subfiletype": 1} if number else {}
                stored = np.moveaxis(level, -1, 0) if "planarconfig" in settings else level
                file.write(stored, photometric="rgb", metadata=None, **own, **kind, **settings)
        if "planarconfig" in settings:
            return levels
        return _decoded_pages(path, pages, len(levels))

    return write


def _decoded_pages(path: Path, pages: bool, count: int) -> Levels:
    with tifffile.TiffFile(path) as file:
        first = file.pages[0]
        stored = file.pages if pages else [first, *(first.pages or [])]
        return [page.asarray() for page in stored][:count]


def _strips(path: Path, levels: Levels) -> Levels:
    tifffile.imwrite(path, levels[0], photometric="rgb", rowsperstrip=7, compression="lzw")
    return levels[:1]


def _ome(path: Path, levels: Levels) -> Levels:
    with tifffile.TiffWriter(path, ome=True) as file:
        channels = [np.moveaxis(level, -1, 0) for level in levels]
        tiled = {"tile": (32, 48), "compression": "deflate", "photometric": "minisblack"}
        about = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
        file.write(channels[0], subifds=len(levels) - 1, metadata=about, **tiled)
        for level in channels[1:]:
            file.write(level, subfiletype=1, metadata=None, **tiled)
    return levels


def _svs(path: Path, levels: Levels) -> Levels:
    """As Aperio's scanners write them: the image, a thumbnail in strips, smaller sizes, a label."""
    text = "Aperio Image Library v1\n431x300|AppMag = 20|MPP = 0.4990"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        tiled = {"tile": (64, 64), "compression": "jpeg", "photometric": "rgb", "metadata": None}
        file.write(levels[0], description=text, **tiled)
        file.write(levels[1][::2, ::2], metadata=None, photometric="rgb", compression="jpeg")
        for level in levels[1:]:
            file.write(level, description=text, **tiled)
        file.write(picture(20, 30), metadata=None, photometric="rgb", subfiletype=1)
    with tifffile.TiffFile(path) as file:
        return [file.pages[number].asarray() for number in (0, *range(2, len(levels) + 1))]


def _cog(path: Path, levels: Levels) -> Levels:
    height, width, bands = levels[0].shape
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=height,
        width=width,
        count=bands,
        dtype="uint8",
        crs="EPSG:32633",
        transform=rasterio.Affine(0.5, 0, 500_000, 0, -0.25, 5_000_000),
        compress="deflate",
        blocksize=128,
        overview_resampling="average",
    ) as file:
        file.write(np.moveaxis(levels[0], -1, 0))
    decoded = []
    for overview in range(len(levels)):
        which = {"overview_level": overview - 1} if overview else {}
        try:
            with rasterio.open(path, **which) as file:
                decoded.append(np.moveaxis(file.read(), 0, -1))
        except rasterio.errors.RasterioIOError:
            break
    return decoded


def _plain(format: str, **settings: object) -> Callable:
    def write(path: Path, levels: Levels) -> Levels:
        path.write_bytes(encoded(Image.fromarray(levels[0]), format, **settings))
        with Image.open(path) as image:
            return [np.asarray(image.convert("RGB"))]

    return write


def _jpeg(path: Path, levels: Levels) -> Levels:
    content = encoded(Image.fromarray(levels[0]), "JPEG", quality=90)
    path.write_bytes(content)
    decoded = []
    for divisor in (1, 2, 4, 8):
        image = Image.open(io.BytesIO(content))
        image.draft("RGB", (image.width // divisor, image.height // divisor))
        decoded.append(np.asarray(image))
    return decoded


KINDS = {
    "JPEG": Kind(_jpeg, ending="jpg"),
    "PNG": Kind(_plain("PNG"), ending="png"),
    "lossless WebP": Kind(_plain("WEBP", lossless=True), ending="webp"),
    "BMP": Kind(_plain("BMP"), ending="bmp"),
    "GIF": Kind(_plain("GIF"), ending="gif"),
    "TIFF in strips": Kind(_strips),
    "TIFF in tiles": Kind(_tiff(tile=(48, 64), compression="deflate", predictor=True)),
    "TIFF in JPEG tiles": Kind(_tiff(tile=(64, 64), compression="jpeg")),
    "TIFF with pages of sizes": Kind(_tiff(pages=True, tile=(64, 64), compression="zstd")),
    "BigTIFF of 16 bits, a plane each": Kind(
        _tiff(deep=True, tile=(64, 64), planarconfig="separate")
    ),
    "OME-TIFF": Kind(_ome),
    "SVS": Kind(_svs, ending="svs"),
    "COG": Kind(_cog),
    "COG read as TIFF by rasterio": Kind(_cog, RasterSource),
    "slide": Kind(
        _tiff(pages=True, tile=(64, 64), compression="lzw"), SlideSource, sides=(304, 432)
    ),
}
"""By what they are called in messages of tests."""

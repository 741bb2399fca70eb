"""Opens any image: its content, not its name, decides which kind of source reads it."""

import importlib.util
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from tnet_tf.errors import UserError, one_line
from tnet_tf.images.download import download
from tnet_tf.images.plain import PlainSource
from tnet_tf.images.raster import RasterSource
from tnet_tf.images.slide import SlideSource, is_slide
from tnet_tf.images.source import MAX_PIXELS, Source, check_installed, explained
from tnet_tf.images.tiff import TiffSource, has_map_coordinates

_PLAIN = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"RIFF")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Slides that are no TIFFs: Zeiss, Sakura, Hamamatsu VMS, and DICOM (at byte 128).
_SLIDES = (b"ZISRAWFILE", b"SQLite format 3", b"[Virtual Microscope Specimen]")
_DICOM, _DICOM_PLACE = b"DICM", 128
_HEAD = 256
_WHAT_IS_READ = "a JPEG, PNG, WebP, BMP, GIF or TIFF image, or a slide that OpenSlide reads"


def open_source(
    place: str | Path, bands: Sequence[int] | None = None, max_pixels: int = MAX_PIXELS
) -> Source:
    """Opens an image, reading no more than its header.

    Args:
      place: a path, http(s):// or s3://; of a URL, TIFFs are read by parts, other files whole.
      bands: numbers of bands, from 0 on, as the file has them; without, what one sees of grey,
        palette, CMYK and RGB files, as three bands, on white where it is transparent; of others,
        all bands.
      max_pixels: of what has to be decoded at once: a plain image, a tile or a strip.

    Raises:
      UserError: it can't be read; the line says why, and what would be right.
    """
    if "://" in str(place):
        return _open_url(str(place), bands, max_pixels)
    name = str(place)
    head = _head(name)
    # MIRAX slides are JPEGs beside a folder.
    if is_plain(head) and not name.lower().endswith(".mrxs"):
        return PlainSource(name, bands, max_pixels)
    with explained(name):
        slide = is_slide(name)
    if slide:
        return SlideSource(name, bands, max_pixels)
    if head.startswith(_TIFF):
        with_coordinates = _installed("rasterio") and not _installed("tifffile")
        if with_coordinates or has_map_coordinates(name):
            return RasterSource(name, bands, max_pixels)
        return TiffSource(name, bands, max_pixels)
    if head.startswith(_SLIDES) or head[_DICOM_PLACE:].startswith(_DICOM):
        check_installed(name, "wsi", "openslide")
    if is_plain(head):
        return PlainSource(name, bands, max_pixels)
    raise UserError(f"{one_line(name)}: it is not {_WHAT_IS_READ}")


def is_plain(head: bytes) -> bool:
    """Whether a file begins as JPEG, PNG, GIF, BMP or WebP."""
    return head.startswith(_PLAIN)


def _head(path: str) -> bytes:
    """The first bytes of a file that is safe to open: no pipe, which may never answer."""
    with explained(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise UserError(f"{one_line(path)}: it is {what}, not a file")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    if not head:
        raise UserError(f"{one_line(path)}: the file is empty (0 bytes)")
    return head


def _open_url(url: str, bands: Sequence[int] | None, max_pixels: int) -> Source:
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https", "s3"):
        raise UserError(f"{one_line(url)}: {scheme}:// must be http://, https:// or s3://")
    if scheme == "s3" or _installed("rasterio"):
        try:
            return RasterSource(url, bands, max_pixels)
        except UserError as error:
            if scheme == "s3" or "not recognized" not in str(error):
                raise
    content = download(url, max_pixels)
    if content.startswith(_TIFF):
        check_installed(url, "geo", "rasterio")
    if not is_plain(content):
        raise UserError(f"{one_line(url)}: it is not {_WHAT_IS_READ}")
    return PlainSource(content, bands, max_pixels, name=url)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None

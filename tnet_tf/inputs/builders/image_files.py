"""Image files of any kind to bytes that TensorFlow decodes to what one sees."""

import contextlib
import io
import pathlib
import stat
import threading
import traceback
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf
from PIL import Image

from tnet_tf.config import DataConfig
from tnet_tf.errors import first_line
from tnet_tf.images import upright_rgb
from tnet_tf.inputs import decoding, records

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
_JPEG_FORMATS = ("JPEG", "MPO")  # MPO is what Pillow calls a JPEG with a second picture
_JPEG_QUALITY = 95
# TensorFlow's decoders refuse images of this many pixels and more.
_DECODABLE_PIXELS = 2**29

# What a format's decoder takes more memory than the others by.
_MEMORY = {"WEBP": 2}
# No image has more bytes than these: 16 bits in 4 channels for each pixel, and what describes it.
_BYTES_PER_PIXEL = 8
_BYTES_BESIDES = 2**26

_NOT_REGULAR = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}

# `Reader` has a limit of its own, which users set.
Image.MAX_IMAGE_PIXELS = None
# Pillow loads its rarer formats late, and not safely with several threads.
Image.init()


def is_named_like_one(name: str) -> bool:
    """Whether a file's name has an image's extension.

    >>> is_named_like_one("cat.JPG"), is_named_like_one("cat.txt")
    (True, False)
    """
    return name.lower().endswith(EXTENSIONS)


@contextlib.contextmanager
def without_pillows_warnings() -> Iterator[None]:
    """Leaves out what Pillow warns of, in source lines, at damage that it can read around."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


class BadImageError(Exception):
    """A file that is no image, not all of one, or none that can be used; the message says why."""


class StoredImage(NamedTuple):
    """An image as it is stored in a record."""

    encoded: bytes
    """JPEG or PNG, 8 bits, grey or RGB, upright."""
    height: int
    """Of the upright image in the file, before it is shrunk."""
    width: int
    """Of the upright image in the file, before it is shrunk."""


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turns whatever a damaged file makes Pillow or TensorFlow raise into a `BadImageError`."""
    try:
        yield
    except BadImageError:
        raise
    except Exception as error:  # Pillow's plugins raise anything from SyntaxError to struct.error
        traceback.clear_frames(error.__traceback__)  # They hold pixels.
        raise BadImageError(_reason(error)) from error


def _reason(error: Exception) -> str:
    # Pillow's own message repeats the path.
    if "cannot identify image file" in str(error):
        return "it is not a readable JPEG, PNG, BMP, GIF or WebP image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    if isinstance(error, tf.errors.OpError):
        return f"it is cut off or damaged (TensorFlow: {records.reason(error)})"
    return f"it is cut off or damaged (Pillow: {first_line(error)})"


class Limits(NamedTuple):
    """Which images are read, and how large they are stored."""

    max_pixels: int = DataConfig().max_pixels
    """Height * width; half as many for WebP. Decoding and converting takes up to 16 bytes each."""
    max_shorter_side: int = 0
    """In pixels, to which images are shrunk; 0 for no limit."""
    least_side: int = 1
    """In pixels, of height and width."""


DEFAULT_LIMITS = Limits()


class Reader:
    """Reads image files within limits, from any number of threads.

    Files that are not regular (pipes, devices) are not opened, and nothing is decoded that the
    file's header shows to be too large. Threads that decode at the same time hold no more than
    `max_pixels` between them, so memory does not grow with their number.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS):
        self._limits = limits
        self._free_pixels = limits.max_pixels
        self._freed = threading.Condition()

    def check(self, path: pathlib.Path) -> None:
        """Checks what the file's header tells; decodes nothing.

        Raises:
          BadImageError: the file is not a regular one or none of the known formats; the image has
            too many pixels or too few.
        """
        self._weight(path)

    def size(self, path: pathlib.Path) -> tuple[int, int]:
        """Height and width of the upright image.

        Raises:
          BadImageError: as `check`.
        """
        with self._room(self._weight(path)), _explained(), _open(path) as image:
            return upright_rgb.size(image)

    def read(self, path: pathlib.Path) -> StoredImage:
        """Reads an image file, and decodes it once by TensorFlow as training will.

        A plain JPEG or PNG keeps its own bytes. Others are converted: palette, 16 bit, CMYK and
        transparency (on white) to RGB, the first frame of animations, what EXIF says about the
        orientation, and the size if it is to be limited. They become JPEG of quality 95 if they
        were JPEG and else PNG.

        Raises:
          BadImageError: as `check`; or the file is cut off or damaged.
        """
        with self._room(self._weight(path)), _explained():
            stored = self._stored(path)
            # Pillow's pixels are gone by now, before TensorFlow makes its own.
            decoding.decode(stored.encoded)
            return stored

    @_explained()
    def _weight(self, path: pathlib.Path) -> int:
        """The image's pixels by what they take, once all is checked that its header tells."""
        with _open(path) as image:
            width, height = image.size
            memory = _MEMORY.get(image.format or "", 1)
        sides, pixels = f"{height} x {width} pixels", height * width
        most = self._limits.max_pixels
        if pixels * memory > most:
            share = f" / {memory}, the limit of its format" if memory > 1 else ""
            raise BadImageError(f"{sides} are more than --max_pixels={most}{share}")
        shrinks = 0 < self._limits.max_shorter_side < min(height, width)
        if not shrinks and pixels >= _DECODABLE_PIXELS:
            raise BadImageError(
                f"{sides} are more than TensorFlow decodes; prepare with --max_shorter_side"
            )
        if min(height, width) < self._limits.least_side:
            raise BadImageError(
                f"{sides} are too few: the network needs at least {self._limits.least_side} a side "
                "(--model, --locations, --cell, --region_scale)"
            )
        length = path.stat().st_size
        if length > _BYTES_PER_PIXEL * pixels + _BYTES_BESIDES:
            raise BadImageError(f"{length} bytes are more than an image of {sides} has")
        return pixels * memory

    @contextlib.contextmanager
    def _room(self, pixels: int) -> Iterator[None]:
        """Waits until other threads have left room for so many pixels."""
        with self._freed:
            self._freed.wait_for(lambda: self._free_pixels >= pixels)
            self._free_pixels -= pixels
        try:
            yield
        finally:
            with self._freed:
                self._free_pixels += pixels
                self._freed.notify_all()

    def _stored(self, path: pathlib.Path) -> StoredImage:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            height, width = upright_rgb.size(image)
            shrinks = 0 < self._limits.max_shorter_side < min(height, width)
            if not shrinks and _is_plain(image, data):
                return StoredImage(data, height, width)
            as_jpeg = image.format in _JPEG_FORMATS
            pixels = upright_rgb.convert(image)
        del image  # Where it is not `pixels`, it takes as much memory.
        if shrinks:
            scale = self._limits.max_shorter_side / min(height, width)
            small = (max(1, round(width * scale)), max(1, round(height * scale)))
            pixels = pixels.resize(small, Image.Resampling.LANCZOS)
        return StoredImage(_encode(pixels, as_jpeg), height, width)


def _open(path: pathlib.Path) -> Image.Image:
    """Reads the header of a file that is safe to open."""
    if path.is_symlink() and not path.exists():
        raise BadImageError(
            f"it is a link to {path.readlink()}, which does not exist or leads in circles"
        )
    status = path.stat()
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise BadImageError(f"it is not a regular file but {_NOT_REGULAR.get(kind, 'special')}")
    if not status.st_size:
        raise BadImageError("the file is empty (0 bytes)")
    return Image.open(path, formats=_FORMATS)


def _is_plain(image: Image.Image, data: bytes) -> bool:
    """Whether TensorFlow decodes the file's own bytes to the image that one sees."""
    if upright_rgb.orientation(image) not in (0, 1):
        return False
    if image.format in _JPEG_FORMATS:
        return image.mode in ("RGB", "L")
    if image.format == "PNG":
        bits, color = data[24], data[25]  # of the header chunk; colour 0 is grey, 2 is RGB
        return bits == 8 and color in (0, 2) and "transparency" not in image.info
    return False


def _encode(image: Image.Image, as_jpeg: bool) -> bytes:
    encoded = io.BytesIO()
    if as_jpeg:
        image.save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(encoded, "PNG")
    return encoded.getvalue()

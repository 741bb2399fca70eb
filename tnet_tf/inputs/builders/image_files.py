"""Image files of any kind to bytes that TensorFlow decodes to what one sees."""

import io
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
_JPEG_FORMATS = ("JPEG", "MPO")  # MPO is what Pillow calls a JPEG with a second picture
_JPEG_QUALITY = 95
_ORIENTATION_TAG = 0x0112
# TensorFlow's decoders refuse images of this many pixels and more.
_DECODABLE_PIXELS = 2**29

# Large images are what this package is for; no size is a "decompression bomb".
Image.MAX_IMAGE_PIXELS = None
# Pillow loads its rarer formats late, and not safely with several threads.
Image.init()


class UnreadableImageError(Exception):
    """A file that is not an image, or not all of one; the message says why."""


class StoredImage(NamedTuple):
    """An image as it is stored in a record."""

    encoded: bytes
    """JPEG or PNG, 8 bits, grey or RGB, upright."""
    height: int
    """Of the upright image in the file, before it is shrunk."""
    width: int
    """Of the upright image in the file, before it is shrunk."""


def read(path: pathlib.Path, max_shorter_side: int = 0) -> StoredImage:
    """Reads and fully decodes an image file.

    A plain JPEG or PNG keeps its own bytes. Others are converted: palette, 16 bit, CMYK and
    transparency (on white) to RGB, the first frame of animations, what EXIF says about the
    orientation, and the size if it is to be limited. They become JPEG of quality 95 if they were
    JPEG and else PNG.

    Args:
      path: the file.
      max_shorter_side: in pixels; 0 for no limit.

    Raises:
      UnreadableImageError: the file is empty, cut off, damaged or none of the known formats.
    """
    try:
        data = path.read_bytes()
        if not data:
            raise UnreadableImageError("the file is empty (0 bytes)")
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image, max_shorter_side)
            image.load()
            return _stored(image, data, max_shorter_side)
    except UnreadableImageError:
        raise
    except Exception as error:  # Pillow's plugins raise anything from SyntaxError to struct.error
        raise UnreadableImageError(_reason(error)) from error


def size(path: pathlib.Path) -> tuple[int, int]:
    """Height and width of the upright image, from the file's header alone.

    Raises:
      UnreadableImageError: the header cannot be read.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return _upright_size(image)
    except Exception as error:
        raise UnreadableImageError(_reason(error)) from error


def _reason(error: Exception) -> str:
    # Pillow's own message repeats the address of the buffer.
    if "cannot identify image file" in str(error):
        return "it is not a readable JPEG, PNG, BMP, GIF or WebP image"
    return " ".join(str(error).split()) or type(error).__name__


def _orientation(image: Image.Image) -> int:
    return image.getexif().get(_ORIENTATION_TAG, 1)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    # Orientations 5 to 8 lay the image on its side.
    sideways = _orientation(image) in (5, 6, 7, 8)
    return (image.width, image.height) if sideways else (image.height, image.width)


def _check_size(image: Image.Image, max_shorter_side: int) -> None:
    shrinks = 0 < max_shorter_side < min(image.size)
    if not shrinks and image.height * image.width >= _DECODABLE_PIXELS:
        raise UnreadableImageError(
            f"{image.height} x {image.width} pixels are more than TensorFlow decodes; prepare with "
            "--max_shorter_side"
        )


def _stored(image: Image.Image, data: bytes, max_shorter_side: int) -> StoredImage:
    height, width = _upright_size(image)
    shrinks = 0 < max_shorter_side < min(height, width)
    if shrinks:
        scale = max_shorter_side / min(height, width)
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        upright = _rgb(ImageOps.exif_transpose(image))
        return StoredImage(
            _encode(upright.resize(small, Image.Resampling.LANCZOS), image), height, width
        )
    if _is_plain(image, data):
        return StoredImage(data, height, width)
    return StoredImage(_encode(_rgb(ImageOps.exif_transpose(image)), image), height, width)


def _is_plain(image: Image.Image, data: bytes) -> bool:
    """Whether TensorFlow decodes the file's own bytes to the image that one sees."""
    if _orientation(image) not in (0, 1):
        return False
    if image.format in _JPEG_FORMATS:
        return image.mode in ("RGB", "L")
    if image.format == "PNG":
        bits, color = data[24], data[25]  # of the header chunk; colour 0 is grey, 2 is RGB
        return bits == 8 and color in (0, 2) and "transparency" not in image.info
    return False


def _rgb(image: Image.Image) -> Image.Image:
    """The image as RGB, 8 bits, on white where it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image).astype(np.float64)
        image = Image.fromarray(np.clip(np.round(deep / 257), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _encode(image: Image.Image, source: Image.Image) -> bytes:
    encoded = io.BytesIO()
    if source.format in _JPEG_FORMATS:
        image.save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(encoded, "PNG")
    return encoded.getvalue()

"""Pillow's images of any mode to upright RGB, 8 bits, in little more memory than both take."""

import numpy as np
from PIL import Image, ImageOps

_ORIENTATION_TAG = 0x0112
# Converted at a time.
_STRIP_PIXELS = 2**20


def orientation(image: Image.Image) -> int:
    """What EXIF says: 1 (or 0) is upright, 2 to 8 are turned or mirrored."""
    return image.getexif().get(_ORIENTATION_TAG, 1)


def size(image: Image.Image) -> tuple[int, int]:
    """Height and width once the image is upright."""
    # Orientations 5 to 8 lay the image on its side.
    sideways = orientation(image) in (5, 6, 7, 8)
    return (image.width, image.height) if sideways else (image.height, image.width)


def convert(image: Image.Image) -> Image.Image:
    """The image upright, as RGB, on white where it is transparent.

    Args:
      image: of any mode; may be changed, since a large image does not fit into memory twice.
    """
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    rgb = Image.new("RGB", image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        rgb.paste(_rgb(strip), (0, top))
    return rgb


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image).astype(np.float64)
        image = Image.fromarray(np.clip(np.round(deep / 257), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")

"""What the samples of a TIFF page stand for: grey, RGB, a palette, CMYK, or other bands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tnet_tf.errors import UserError, one_line
from tnet_tf.images.bands import (
    Bands,
    as_stored,
    choose,
    from_cmyk,
    from_palette,
    of_full_range,
    some_of,
    visible,
)

if TYPE_CHECKING:
    from tifffile import TiffPage

# Photometric interpretations of the TIFF standard.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
# Compressions whose decoder makes RGB of YCbCr: JPEG in its two forms and JPEG 2000.
_RGB_DECODERS = (6, 7, 34892, 33003, 33004, 33005, 34712)
_PREMULTIPLIED, _ALPHA = 1, 2


def page_bands(name: str, page: "TiffPage", samples: int, bands: Sequence[int] | None) -> Bands:
    """What is read of the pixels of a page.

    Args:
      name: of the file, for messages.
      page: the page.
      samples: of each pixel, in all pages that belong together.
      bands: those that are asked for, by their number in the file, or if that stores palettes or
        CMYK, in RGB; what one sees without.

    Raises:
      UserError: the page stores colours in a way that can't be read, or has not these bands.
    """
    dtype, kind = np.dtype(page.dtype), int(page.photometric)
    if kind == _YCBCR and int(page.compression) not in _RGB_DECODERS:
        kind = -1
    if kind == _PALETTE and page.colormap is not None and samples == 1:
        colours = np.rint(page.colormap.T / 257).astype(np.uint8)
        return some_of(name, from_palette(colours), bands)
    if kind == _CMYK and samples >= 4 and dtype.kind == "u":
        return some_of(name, from_cmyk(dtype), bands)
    if kind not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _YCBCR):
        stored = getattr(page.photometric, "name", page.photometric)
        raise UserError(f"{one_line(name)}: its colours are stored as {stored}; save it as RGB")
    if bands is not None:
        read = as_stored(choose(name, bands, samples), dtype)
    else:
        read = _visible(page, samples, dtype, kind in (_RGB, _YCBCR) and samples >= 3)
    return of_full_range(read, page.bitspersample, inverted=kind == _WHITE_IS_ZERO)


def _visible(page: "TiffPage", samples: int, dtype: np.dtype, rgb: bool) -> Bands:
    extra = int(page.extrasamples[0]) if page.extrasamples else 0
    own = samples - len(page.extrasamples)
    alpha = own if extra in (_PREMULTIPLIED, _ALPHA) else None
    return visible(samples, dtype, rgb, alpha, extra == _PREMULTIPLIED)

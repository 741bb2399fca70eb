"""Which pages of a TIFF file are the image at its sizes, and how large its pixels are."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

# Of the pages of a file, these many are looked at; a stack may have any number.
_MOST_PAGES = 64
_REDUCED = 1
# How far rounding may move a side of a smaller page from its share of the whole one's.
_PIXELS_OFF = 2
_MICROMETRES = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25400.0}
_INCH, _CENTIMETRE = 2, 3
# What programs write where they don't know.
_MEANINGLESS_PER_INCH = (1, 72, 96)


def pyramid(file: "TiffFile") -> "list[list[TiffPage]]":
    """The pages of each level, from the largest to the smallest; several where channels are pages.

    The image is the first page. Its smaller sizes are its SubIFDs, or pages that follow it and have
    the same shape, such as those of slides. Labels, masks, thumbnails and further images are left.
    """
    first = first_page(file)
    whole = [first, *_other_channels(file, first)]
    if first.subifds:
        smaller = [_subifds(page) for page in whole]
        levels = [list(pages) for pages in zip(*smaller, strict=False)]
    else:
        levels = [[page] for page in _following(file)] if len(whole) == 1 else []
    chosen = [whole]
    for pages in levels:
        if _is_smaller(pages[0], chosen[-1][0], first):
            chosen.append(pages)
    return chosen


def first_page(file: "TiffFile") -> "TiffPage":
    """The page of the image.

    Raises:
      ValueError: no page is whole.
    """
    if not len(file.pages):
        raise ValueError("no page of it is whole")
    return file.pages[0]


def _subifds(page: "TiffPage") -> "list[TiffPage]":
    if not page.subifds or page.pages is None:
        return []
    return [page.pages[number] for number in range(min(len(page.subifds), _MOST_PAGES))]


def _following(file: "TiffFile") -> "list[TiffPage]":
    pages = []
    for number in range(1, _MOST_PAGES):
        try:
            pages.append(file.pages[number])
        except IndexError:
            break
    return pages


def _is_smaller(page: "TiffPage", before: "TiffPage", first: "TiffPage") -> bool:
    """Whether a page is the first one at a size less than another's."""
    same = (page.dtype, page.samplesperpixel, page.imagedepth) == (
        first.dtype,
        first.samplesperpixel,
        first.imagedepth,
    )
    # 4 stands for masks; slides' thumbnails are strips.
    kind = int(page.subfiletype or 0)
    fits = kind == _REDUCED or (kind == 0 and page.is_tiled)
    if not same or not fits or page.is_tiled != first.is_tiled:
        return False
    if not 0 < page.imagewidth < before.imagewidth or not page.imagelength > 0:
        return False
    height = first.imagelength * page.imagewidth / first.imagewidth
    width = first.imagewidth * page.imagelength / first.imagelength
    return min(abs(page.imagelength - height), abs(page.imagewidth - width)) < _PIXELS_OFF


def _other_channels(file: "TiffFile", first: "TiffPage") -> "list[TiffPage]":
    """Of an OME-TIFF that stores each channel as a page, those of the first plane but the first."""
    pixels = _ome_pixels(first)
    channels = int(pixels.get("SizeC", 1)) // max(1, first.samplesperpixel)
    order = pixels.get("DimensionOrder", "XYCZT")
    step = 1
    for axis in order[2:].partition("C")[0]:
        step *= int(pixels.get(f"Size{axis}", 1))
    numbers = [channel * step for channel in range(1, min(channels, _MOST_PAGES))]
    pages = [file.pages[number] for number in numbers]
    if any((page.shape, page.dtype) != (first.shape, first.dtype) for page in pages):
        raise ValueError("its channels have different shapes")
    return pages


def pixel_size(page: "TiffPage") -> tuple[float, float] | None:
    """Height and width of a pixel in micrometres, where the file says it."""
    pixels = _ome_pixels(page)
    if "PhysicalSizeX" in pixels and "PhysicalSizeY" in pixels:
        unit = [_MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "YX"]
        if unit[0] and unit[1]:
            sizes = float(pixels["PhysicalSizeY"]), float(pixels["PhysicalSizeX"])
            return unit[0] * sizes[0], unit[1] * sizes[1]
    aperio = re.search(r"\|\s*MPP\s*=\s*([\d.]+)", page.description or "")
    if aperio:
        return float(aperio[1]), float(aperio[1])
    unit_length = {_INCH: _MICROMETRES["inch"], _CENTIMETRE: _MICROMETRES["cm"]}
    length = unit_length.get(int(page.tags.valueof(296, _INCH)))
    across, down = page.tags.valueof(282), page.tags.valueof(283)
    if not length or not across or not down or 0 in (*across, *down):
        return None
    across, down = across[0] / across[1], down[0] / down[1]
    if length == _MICROMETRES["inch"] and across in _MEANINGLESS_PER_INCH:
        return None
    return length / down, length / across


def _ome_pixels(page: "TiffPage") -> dict[str, str]:
    """Attributes of an OME-TIFF's first image; none where it is none."""
    if not page.is_ome:
        return {}
    element = re.search(r"<(?:\w+:)?Pixels\b([^>]*)>", page.description)
    return dict(re.findall(r"(\w+)\s*=\s*[\"']([^\"']*)[\"']", element[1])) if element else {}

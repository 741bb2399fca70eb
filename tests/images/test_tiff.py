import os

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from tests.images.kinds import picture
from tnet_tf.errors import UserError
from tnet_tf.images.bands import on_white
from tnet_tf.images.tiff import TiffSource

PIXELS = picture(45, 70)
MANY = picture(45, 70, bands=6)


@pytest.fixture
def write(tmp_path):
    """Writes a TIFF of these pixels and opens it."""
    opened = []

    def writes(pixels, bands=None, **settings):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, pixels, metadata=None, **settings)
        opened.append(TiffSource(path, bands))
        return opened[-1]

    yield writes
    for source in opened:
        source.close()


def pixels_of(source):
    return source.window(0, 0, 0, *source.size)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(orientation, write, tmp_path):
    tag = [(274, "H", 1, orientation, True)]
    source = write(PIXELS, tile=(32, 16), extratags=tag, photometric="rgb")
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert source.size == expected.shape[:2]
    np.testing.assert_array_equal(pixels_of(source), expected)
    np.testing.assert_array_equal(source.window(0, 7, 9, 30, 21), expected[7:37, 9:30])


def test_grey_is_three_equal_bands_and_white_may_be_zero(write):
    grey = PIXELS[..., 0]
    expected = np.stack([grey] * 3, axis=-1)
    np.testing.assert_array_equal(pixels_of(write(grey)), expected)
    inverted = write(255 - grey, photometric="miniswhite")
    np.testing.assert_array_equal(pixels_of(inverted), expected)


@pytest.mark.parametrize(("extra", "premultiplied"), [("unassalpha", False), ("assocalpha", True)])
def test_transparency_becomes_white(write, extra, premultiplied):
    alpha = np.arange(45 * 70).reshape(45, 70).astype(np.uint8)
    light = PIXELS * (alpha[..., np.newaxis] / 255) if premultiplied else PIXELS
    stored = np.dstack([light.astype(np.uint8), alpha])
    source = write(stored, photometric="rgb", extrasamples=[extra])
    expected = on_white(stored[..., :3], alpha, premultiplied)
    np.testing.assert_array_equal(pixels_of(source), expected)
    assert (expected[alpha == 0] == 255).all()
    opaque = pixels_of(write(stored, bands=(0, 1, 2), photometric="rgb", extrasamples=[extra]))
    np.testing.assert_array_equal(opaque, stored[..., :3])


def test_palettes_become_rgb(write):
    colours = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
    source = write(PIXELS[..., 0], photometric="palette", colormap=colours * 257)
    np.testing.assert_array_equal(pixels_of(source), colours.T[PIXELS[..., 0]])
    assert source.dtype == np.uint8


def test_cmyk_becomes_rgb_as_in_pillow(write):
    cmyk = MANY[..., :4]
    source = write(cmyk, photometric="separated", planarconfig="contig")
    expected = np.asarray(Image.fromarray(cmyk, "CMYK").convert("RGB")).astype(int)
    assert np.abs(pixels_of(source) - expected).max() <= 1


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_bands_are_all_or_those_that_are_asked_for(write, planes):
    stored = MANY if planes == "contig" else np.moveaxis(MANY, -1, 0)
    settings = {"photometric": "minisblack", "planarconfig": planes, "tile": (16, 32)}
    source = write(stored, **settings)
    np.testing.assert_array_equal(pixels_of(source), MANY)
    chosen = write(stored, bands=(4, 1, 4), **settings)
    np.testing.assert_array_equal(pixels_of(chosen), MANY[..., [4, 1, 4]])
    with pytest.raises(UserError, match="--bands=6 must be of those that it has: 0,1,2,3,4,5"):
        write(stored, bands=(6,), **settings)


def test_of_planes_only_those_that_are_asked_for_are_read(write):
    stored = np.moveaxis(MANY, -1, 0)
    settings = {"photometric": "minisblack", "planarconfig": "separate", "tile": (48, 80)}
    spent = []
    for bands in ((0,), (0, 3), None):
        source = write(stored, bands=bands, **settings)
        before = source.requests
        pixels_of(source)
        spent.append(source.requests - before)
    assert spent == [1, 2, 6]


@pytest.mark.parametrize(("bits", "dtype"), [(1, np.uint8), (4, np.uint8), (12, np.uint16)])
def test_few_bits_fill_the_range_of_their_type(write, bits, dtype):
    values = np.random.default_rng(0).integers(0, 2**bits, (45, 72)).astype(dtype)
    if bits == 1:
        source = write(values.astype(bool), photometric="minisblack")
        np.testing.assert_array_equal(pixels_of(source)[..., 0], values.astype(bool))
        return
    source = write(values, bitspersample=bits, compression=None)
    expected = np.rint(values * (np.iinfo(dtype).max / (2**bits - 1)))
    np.testing.assert_array_equal(pixels_of(source)[..., 0], expected)


def test_what_can_not_be_read_is_told_with_what_would_be_right(write):
    with pytest.raises(UserError, match="float32; save it with integers of 8 or 16 bits"):
        write(PIXELS.astype(np.float32), photometric="rgb")
    with pytest.raises(UserError, match="colours are stored as CIELAB; save it as RGB"):
        write(PIXELS, photometric="cielab")


def test_of_a_stack_the_first_page_is_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([PIXELS, 255 - PIXELS]), photometric="rgb")
    with TiffSource(path) as source:
        assert source.levels == ((45, 70),)
        np.testing.assert_array_equal(pixels_of(source), PIXELS)


def test_bytes_are_counted_as_the_system_counts_them(write, monkeypatch):
    source = write(PIXELS, tile=(16, 16), compression="deflate")
    read, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *how: (read.append(how[1]), pread(*how))[1])
    before = source.bytes_read, source.requests
    source.window(0, 0, 0, 20, 20)
    assert source.bytes_read - before[0] == sum(read)
    assert source.requests - before[1] == len(read) == 4


def test_resolutions_in_files_are_sizes_of_pixels(write):
    assert write(PIXELS, resolution=(20_000, 10_000), resolutionunit=3).pixel_size == (1.0, 0.5)
    assert write(PIXELS, resolution=(25_400, 25_400), resolutionunit=2).pixel_size == (1.0, 1.0)
    assert write(PIXELS, resolution=(72, 72), resolutionunit=2).pixel_size is None
    assert write(PIXELS, resolution=(5, 5), resolutionunit=1).pixel_size is None

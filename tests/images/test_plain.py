import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.images.kinds import picture
from tests.inputs.images import encoded, png_chunk
from tnet_tf.errors import UserError
from tnet_tf.images import upright_rgb
from tnet_tf.images.plain import PlainSource
from tnet_tf.images.regions import whole
from tnet_tf.images.view import view

PIXELS = picture(45, 70)
IMAGE = Image.fromarray(PIXELS)


def read(content, **settings):
    with PlainSource(content, name="a", **settings) as source:
        return source.window(0, 0, 0, *source.size)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBA", "LA", "I;16"])
def test_any_mode_becomes_what_one_sees(mode):
    if mode == "I;16":
        image = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
    else:
        image = IMAGE.convert("L" if mode in ("1", "LA") else "RGB").convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(PIXELS[..., 1]))
    content = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    if mode == "CMYK":
        content = encoded(image, "JPEG", quality=100)
    expected = upright_rgb.convert(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(read(content), np.asarray(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_images_are_upright_at_all_levels(orientation, format):
    smooth = IMAGE.resize((704, 448))
    content = encoded(smooth, format, exif=turned(orientation).tobytes())
    with Image.open(io.BytesIO(content)) as image:
        expected = upright_rgb.convert(image)
    with PlainSource(content, name="a") as source:
        np.testing.assert_array_equal(source.window(0, 0, 0, *source.size), expected)
        for level, size in enumerate(source.levels):
            box = expected.resize((size.width, size.height), Image.Resampling.BOX)
            seen = source.window(level, 0, 0, *size)
            assert np.abs(seen.astype(int) - np.asarray(box)).mean() < 4


def test_a_png_may_say_after_its_pixels_that_it_is_turned():
    content = encoded(IMAGE, "PNG")
    exif = turned(6).tobytes().removeprefix(b"Exif\0\0")
    late = content[:-12] + png_chunk(b"eXIf", exif) + content[-12:]
    np.testing.assert_array_equal(read(late), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_nothing_is_decoded_before_pixels_are_needed(format, monkeypatch):
    content = encoded(IMAGE, format)

    def load(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    with PlainSource(content, name="a") as source:
        assert source.size == (45, 70)
        with pytest.raises(UserError, match="decoded"):
            source.window(0, 0, 0, 1, 1)


def test_a_thumbnail_of_a_jpeg_needs_only_its_reduced_decoding(monkeypatch):
    sizes = []
    convert = upright_rgb.convert
    monkeypatch.setattr(
        upright_rgb, "convert", lambda image: (sizes.append(image.size), convert(image))[1]
    )
    content = encoded(IMAGE.resize((1600, 800)), "JPEG", quality=95)
    with PlainSource(content, name="a") as source:
        small = view(source, whole(source.size), (50, 100), antialias=True)
        assert sizes == [(200, 100)]
        view(source, whole(source.size), (50, 100))
        assert sizes == [(200, 100), (1600, 800)]
        assert source.requests == 2
        assert source.bytes_read == 2 * len(content)
    exact = np.asarray(IMAGE.resize((1600, 800)).resize((100, 50), Image.Resampling.BOX))
    assert np.abs(small - (exact / 127.5 - 1)).mean() < 4 / 255


def test_bands_are_chosen_from_rgb():
    content = encoded(IMAGE, "PNG")
    np.testing.assert_array_equal(read(content, bands=(2, 0)), PIXELS[..., [2, 0]])
    with pytest.raises(UserError, match="--bands=0,3 must be of those that it has: 0,1,2"):
        read(content, bands=(0, 3))


def test_the_first_frame_of_an_animation_is_read():
    frames = [IMAGE.convert("P"), IMAGE.rotate(180).convert("P")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(read(content), np.asarray(image.convert("RGB")))

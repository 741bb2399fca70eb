import numpy as np
import pytest
from PIL import Image

from tests.inputs.images import noise
from tnet_tf.images import upright_rgb

RED_TO_WHITE = Image.fromarray(
    np.stack(np.broadcast_arrays(255, 0, 0, np.arange(0, 256)[:, np.newaxis]), -1).astype(np.uint8)
)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBA", "LA", "PA"])
def test_strips_make_the_whole_image(monkeypatch, mode):
    image = noise(50, 30).convert("L" if mode in ("1", "LA") else "RGB").convert(mode)
    expected = np.asarray(image.convert("RGB"))
    for pixels in (1, 30 * 7, 10**6):
        monkeypatch.setattr(upright_rgb, "_STRIP_PIXELS", pixels)
        np.testing.assert_array_equal(upright_rgb.convert(image.copy()), expected)


def test_sixteen_bits_are_divided_by_257(monkeypatch):
    monkeypatch.setattr(upright_rgb, "_STRIP_PIXELS", 100)
    deep = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    converted = np.asarray(upright_rgb.convert(Image.fromarray(deep)))
    np.testing.assert_array_equal(converted[..., 0], np.round(deep / 257))


def test_transparency_is_blended_with_white():
    alpha = np.arange(256) / 255
    converted = np.asarray(upright_rgb.convert(RED_TO_WHITE)).astype(float)
    np.testing.assert_allclose(converted[:, 0, 0], 255, atol=1)
    np.testing.assert_allclose(converted[:, 0, 1], 255 * (1 - alpha), atol=1)


def test_a_colour_that_stands_for_transparency_is_white():
    image = Image.new("RGB", (4, 2), (1, 2, 3))
    image.putpixel((3, 1), (9, 9, 9))
    image.info["transparency"] = (1, 2, 3)
    converted = np.asarray(upright_rgb.convert(image))
    assert converted[1, 3].tolist() == [9, 9, 9]
    assert (converted[0] == 255).all()


def test_a_large_image_is_not_copied_without_need():
    image = noise()
    assert upright_rgb.convert(image) is image

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.inputs.images import noise
from tnet_tf.inputs.builders import image_files


def decoded(path, max_shorter_side=0):
    """What training will see of a file."""
    stored = image_files.read(path, max_shorter_side)
    return tf.io.decode_image(stored.encoded, channels=3, expand_animations=False).numpy()


def save(image, path, **settings):
    image.save(path, **settings)
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_plain_files_keep_their_bytes(tmp_path, name, mode):
    path = save(noise().convert(mode), tmp_path / name)
    assert image_files.read(path).encoded == path.read_bytes()
    assert image_files.read(path)[1:] == (12, 16) == image_files.size(path)


@pytest.mark.parametrize("name", ["a.bmp", "a.webp"])
def test_other_formats_become_png_with_the_same_pixels(tmp_path, name):
    path = save(noise(), tmp_path / name, **({"lossless": True} if "webp" in name else {}))
    assert image_files.read(path).encoded.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decoded(path), np.asarray(noise()))


def test_content_decides_not_the_name(tmp_path):
    noise().save(tmp_path / "a.jpg", "BMP")
    np.testing.assert_array_equal(decoded(tmp_path / "a.jpg"), np.asarray(noise()))


def test_of_animations_the_first_frame_is_stored(tmp_path):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decoded(path), np.full((8, 8, 3), (255, 0, 0)))


@pytest.mark.parametrize("mode", ["1", "P", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    image = Image.new("RGB", (8, 8), "red").convert(mode)
    path = save(image, tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"))
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_allclose(decoded(path), expected, atol=3)


def test_sixteen_bits_become_eight(tmp_path):
    deep = np.array([[0, 257, 65535]], np.uint16)
    path = save(Image.fromarray(deep), tmp_path / "a.png")
    np.testing.assert_array_equal(decoded(path)[0, :, 0], [0, 1, 255])


def test_what_is_transparent_is_white(tmp_path):
    path = save(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), tmp_path / "a.png")
    np.testing.assert_array_equal(decoded(path), np.full((4, 4, 3), 255))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_rotated_photos_are_stored_upright(tmp_path, orientation):
    image = Image.fromarray(np.arange(0, 240, 10, np.uint8).reshape(4, 6).repeat(8, 0).repeat(8, 1))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's transpose that EXIF asks for
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(image.convert("RGB"), tmp_path / "a.jpg", exif=exif, quality=95)
    upright = np.asarray(image.transpose(Image.Transpose(undo[orientation])).convert("RGB"))
    np.testing.assert_allclose(decoded(path), upright, atol=6)
    assert image_files.size(path) == upright.shape[:2] == image_files.read(path)[1:]


def test_long_images_are_shrunk_by_their_shorter_side(tmp_path):
    path = save(noise(40, 100), tmp_path / "a.jpg")
    assert decoded(path, 20).shape == (20, 50, 3)
    assert image_files.read(path, 20)[1:] == (40, 100)
    assert image_files.read(path, 40).encoded == path.read_bytes()


def half_jpeg():
    content = io.BytesIO()
    noise(100, 100).save(content, "JPEG")
    return content.getvalue()[: len(content.getvalue()) // 2]


def half_png():
    content = io.BytesIO()
    noise(100, 100).save(content, "PNG")
    return content.getvalue()[: len(content.getvalue()) // 2]


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"this is no image", "not a readable"),
        (half_jpeg(), "truncated"),
        (half_png(), "."),
        (half_png()[:20], "."),
    ],
    ids=["empty", "text", "half a jpeg", "half a png", "a png's start"],
)
def test_unreadable_files_are_told(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(image_files.UnreadableImageError, match=reason):
        image_files.read(path)


def test_missing_files_are_told(tmp_path):
    with pytest.raises(image_files.UnreadableImageError, match="No such file"):
        image_files.read(tmp_path / "a.jpg")
    with pytest.raises(image_files.UnreadableImageError, match="No such file"):
        image_files.size(tmp_path / "a.jpg")


def test_images_too_large_for_tensorflow_are_told(tmp_path):
    # One bit per pixel, all the same: 24,000 x 24,000 pixels in 70 KB.
    side = 24_000
    rows = zlib.compress(bytes(1 + side // 8) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(png)
    with pytest.raises(image_files.UnreadableImageError, match="--max_shorter_side"):
        image_files.read(path)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

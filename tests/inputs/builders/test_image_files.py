import concurrent.futures
import os
import pathlib
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.inputs.images import black_png, encoded, noise
from tnet_tf.inputs.builders import image_files


def read(path, **limits):
    return image_files.Reader(image_files.Limits(**limits)).read(path)


def size(path):
    return image_files.Reader().size(path)


def decoded(path, max_shorter_side=0):
    """What training will see of a file."""
    stored = read(path, max_shorter_side=max_shorter_side)
    return tf.io.decode_image(stored.encoded, channels=3, expand_animations=False).numpy()


def save(image, path, **settings):
    image.save(path, **settings)
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_plain_files_keep_their_bytes(tmp_path, name, mode):
    # Otherwise compressed than what is encoded anew.
    path = save(noise().convert(mode), tmp_path / name, compress_level=1)
    assert read(path).encoded == path.read_bytes()
    assert read(path)[1:] == (12, 16) == size(path)


@pytest.mark.parametrize("name", ["a.bmp", "a.webp"])
def test_other_formats_become_png_with_the_same_pixels(tmp_path, name):
    path = save(noise(), tmp_path / name, **({"lossless": True} if "webp" in name else {}))
    assert read(path).encoded.startswith(b"\x89PNG")
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


def test_photos_that_are_converted_stay_jpegs_of_high_quality(tmp_path):
    path = save(noise(32, 32).convert("CMYK"), tmp_path / "a.jpg", quality=100)
    assert read(path).encoded.startswith(b"\xff\xd8\xff")
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB")).astype(float)
    assert np.abs(decoded(path) - expected).mean() < 6


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
    assert size(path) == upright.shape[:2] == read(path)[1:]


def test_long_images_are_shrunk_by_their_shorter_side(tmp_path):
    path = save(noise(40, 100), tmp_path / "a.jpg")
    assert decoded(path, 20).shape == (20, 50, 3)
    assert read(path, max_shorter_side=20)[1:] == (40, 100)
    assert read(path, max_shorter_side=40).encoded == path.read_bytes()


def half(format):
    content = encoded(noise(100, 100), format)
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"this is no image", "not a readable"),
        (half("JPEG"), r"cut off or damaged \(TensorFlow: "),
        (half("PNG"), r"cut off or damaged \(Pillow: "),
        (half("PNG")[:20], r"cut off or damaged \(Pillow: "),
    ],
    ids=["empty", "text", "half a jpeg", "half a png", "a png's start"],
)
def test_unreadable_files_are_told(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(image_files.BadImageError, match=reason):
        read(path)


# What Pillow decodes in spite of its damage, and TensorFlow does not.
@pytest.mark.parametrize("missing", [1, 4, 8, 12])
def test_what_training_could_not_decode_is_unreadable(tmp_path, missing):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(), "PNG")[:-missing])
    with Image.open(path) as image:
        image.load()
    with pytest.raises(image_files.BadImageError, match=r"cut off .*TensorFlow: Invalid PNG data"):
        read(path)


@pytest.mark.parametrize(
    "image, format",
    [(noise(), "BMP"), (noise().convert("P"), "GIF"), (noise(), "WEBP"), (noise(), "JPEG")],
    ids=["bmp", "gif", "webp", "shrunk jpeg"],
)
def test_what_is_encoded_anew_is_decoded_too(tmp_path, monkeypatch, image, format):
    path = tmp_path / "a"
    path.write_bytes(encoded(image, format))
    monkeypatch.setattr(image_files, "_encode", lambda *_: b"no image")
    with pytest.raises(image_files.BadImageError, match="cut off or damaged"):
        read(path, max_shorter_side=8)


def test_missing_files_are_told(tmp_path):
    for use in (image_files.Reader().check, size, read):
        with pytest.raises(image_files.BadImageError, match=r"^No such file or directory$"):
            use(tmp_path / "a.jpg")


def test_too_little_memory_is_not_taken_for_damage(tmp_path, monkeypatch):
    def convert(image):
        raise MemoryError

    monkeypatch.setattr("tnet_tf.images.upright_rgb.convert", convert)
    with pytest.raises(image_files.BadImageError, match="it does not fit into memory"):
        read(save(noise(), tmp_path / "a.bmp"))


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    "make, reason",
    [
        (os.mkfifo, "not a regular file but a named pipe"),
        (make_socket, "not a regular file but a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file but a device"),
        (lambda path: path.symlink_to("gone.png"), "a link to gone.png, which does not exist"),
        (lambda path: path.symlink_to(path), "leads in circles"),
    ],
    ids=["pipe", "socket", "device", "dangling link", "looping link"],
)
def test_only_regular_files_are_opened(tmp_path, monkeypatch, make, reason):
    monkeypatch.chdir(tmp_path)  # The addresses of sockets are short.
    path = pathlib.Path("a.png")
    make(path)
    for use in (image_files.Reader().check, size, read):
        with pytest.raises(image_files.BadImageError, match=reason):
            use(path)


def test_a_file_of_more_bytes_than_its_image_can_have_is_not_read(tmp_path):
    path = save(noise(), tmp_path / "a.bmp")
    os.truncate(path, 2**40)  # takes no space on the disk
    with pytest.raises(image_files.BadImageError, match="1099511627776 bytes are more than"):
        read(path)


BOMB = black_png(23_000, 23_000)
LARGE = [
    ("PNG", BOMB, "23000 x 23000 pixels"),
    ("JPEG", encoded(Image.new("L", (40, 30)), "JPEG"), "30 x 40 pixels"),
    ("BMP", encoded(Image.new("L", (40, 30)), "BMP"), "30 x 40 pixels"),
    ("GIF", encoded(Image.new("L", (40, 30)), "GIF"), "30 x 40 pixels"),
    ("WEBP", encoded(Image.new("L", (40, 30)), "WEBP"), "30 x 40 pixels"),
]


@pytest.mark.parametrize("format, content, reason", LARGE, ids=[format for format, *_ in LARGE])
def test_of_images_with_too_many_pixels_only_the_header_is_read(
    tmp_path, monkeypatch, format, content, reason
):
    def decodes(*_):
        raise AssertionError("an image was decoded")

    path = tmp_path / "a.png"
    path.write_bytes(content)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decodes)
    monkeypatch.setattr("tensorflow.io.decode_image", decodes)
    memory = 2 if format == "WEBP" else 1
    for reader in (
        image_files.Reader(image_files.Limits(max_pixels=30 * 40 * memory - 1)),
        image_files.Reader(image_files.Limits(max_pixels=1, max_shorter_side=10)),
    ):
        for use in (reader.check, reader.size, reader.read):
            with pytest.raises(
                image_files.BadImageError, match=f"{reason} are more than --max_pixels="
            ):
                use(path)


def test_as_many_pixels_as_allowed_are_read(tmp_path):
    for name, memory in (("a.png", 1), ("a.webp", 2)):
        path = save(noise(30, 40), tmp_path / name)
        assert read(path, max_pixels=30 * 40 * memory)[1:] == (30, 40)


def test_images_too_large_for_tensorflow_are_told(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(black_png(24_000, 24_000))
    with pytest.raises(image_files.BadImageError, match="--max_shorter_side"):
        read(path, max_pixels=2**30)


def test_threads_share_the_limit_of_pixels(tmp_path, monkeypatch):
    path = save(noise(30, 40), tmp_path / "a.png")
    reader = image_files.Reader(image_files.Limits(max_pixels=2 * 30 * 40))
    held, most = [], []
    both = threading.Barrier(2, timeout=60)

    def decode(encoded):
        held.append(encoded)
        both.wait()
        most.append(len(held))
        time.sleep(0.01)
        held.pop()

    monkeypatch.setattr("tnet_tf.inputs.decoding.decode", decode)
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        list(executor.map(reader.read, [path] * 16))
    assert max(most) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 50), (50, 3)])
def test_images_too_small_for_the_network_are_told(tmp_path, shape):
    path = save(noise(*shape), tmp_path / "a.png")
    reader = image_files.Reader(image_files.Limits(least_side=4))
    with pytest.raises(
        image_files.BadImageError, match="{} x {} pixels are too few: .* at least 4".format(*shape)
    ):
        reader.check(path)
    assert image_files.Reader(image_files.Limits(least_side=min(shape))).read(path)[1:] == shape

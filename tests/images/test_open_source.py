import contextlib
import importlib.util
import os
import pathlib
import socket
import struct
import tempfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.images.kinds import KINDS, picture, pyramid
from tests.images.range_server import serving
from tests.inputs.images import encoded, png_chunk
from tnet_tf.errors import UserError
from tnet_tf.images import download, raster
from tnet_tf.images.open_source import open_source
from tnet_tf.images.plain import PlainSource
from tnet_tf.images.raster import RasterSource
from tnet_tf.images.regions import whole
from tnet_tf.images.source import Georeference
from tnet_tf.images.tiff import TiffSource
from tnet_tf.images.view import view

PIXELS = picture(70, 50)
# The user of no rights.
NOBODY = 65534


def refusal(place, **settings):
    """The one line that an image is refused with, which names it."""
    with pytest.raises(UserError) as refused, open_source(place, **settings) as source:
        view(source, whole(source.size), (8, 8))
    line = str(refused.value)
    assert line.startswith(f"{place}: ")
    assert line.isprintable()
    return line.removeprefix(f"{place}: ")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF in tiles", "SVS", "COG"])
def test_content_decides_not_the_name(kind, tmp_path):
    path = tmp_path / "picture.txt"
    decoded = KINDS[kind].write(path, pyramid(picture(300, 200)))
    expected = {"JPEG": PlainSource, "PNG": PlainSource, "COG": RasterSource}
    with open_source(path) as source:
        assert type(source) is expected.get(kind, TiffSource)
        np.testing.assert_array_equal(source.window(0, 0, 0, *source.size), decoded[0])


def test_an_image_of_one_pixel_is_read(tmp_path):
    for name in ("a.png", "a.tif"):
        Image.fromarray(PIXELS[:1, :1]).save(tmp_path / name)
        with open_source(tmp_path / name) as source:
            assert view(source, whole((1, 1)), (5, 7)).shape == (5, 7, 3)


# A slide here is a TIFF, by its content, too.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "slide"])
def test_a_file_that_is_cut_off_is_told(kind, tmp_path):
    path = tmp_path / f"a.{KINDS[kind].ending}"
    KINDS[kind].write(path, pyramid(picture(300, 200)))
    content = path.read_bytes()
    for share in (0.03, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        assert "cut off" in refusal(path) or "damaged" in refusal(path)


def test_what_is_no_image_is_told(tmp_path):
    empty, text, pipe = tmp_path / "a.png", tmp_path / "a.jpg", tmp_path / "pipe.tif"
    empty.touch()
    text.write_text("no picture")
    os.mkfifo(pipe)
    assert refusal(empty) == "the file is empty (0 bytes)"
    assert refusal(text).startswith("it is not a JPEG, PNG, WebP, BMP, GIF or TIFF image")
    assert refusal(tmp_path) == "it is a folder, not a file"
    assert refusal(pipe) == "it is a pipe or device, not a file"
    assert refusal(tmp_path / "none.png") == "No such file or directory"
    assert "must be http://, https:// or s3://" in refusal("ftp://host/a.tif")


@contextlib.contextmanager
def without_privileges():
    """Root may read everything, so it is nobody meanwhile."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = pathlib.Path(folder) / "a.png"
        Image.fromarray(PIXELS).save(path)
        path.chmod(0)
        with without_privileges():
            assert refusal(path) == "Permission denied"


def test_a_bomb_is_refused_by_its_header(tmp_path):
    """100,000 x 100,000 pixels in a few bytes, in formats that can say so."""
    side = 100_000
    png = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b""))
    bmp = tmp_path / "a.bmp"
    content = bytearray(encoded(Image.fromarray(PIXELS), "BMP"))
    struct.pack_into("<ii", content, 18, side, side)
    bmp.write_bytes(content)
    for path in (png, bmp):
        assert refusal(path).startswith("it has 100000 x 100000 pixels, more than the 67108864")


def test_limits_are_those_that_are_given(tmp_path):
    png, webp = tmp_path / "a.png", tmp_path / "a.webp"
    for path in (png, webp):
        Image.fromarray(PIXELS).save(path)
    open_source(png, max_pixels=70 * 50).close()
    open_source(webp, max_pixels=2 * 70 * 50).close()
    assert "more than the 3499 that" in refusal(png, max_pixels=70 * 50 - 1)
    assert "WEBP counts 2-fold" in refusal(webp, max_pixels=2 * 70 * 50 - 1)


@pytest.mark.parametrize("geographic", [False, True])
def test_strips_that_are_too_large_are_told(tmp_path, geographic):
    """65,535 px wide and 1,100 high, in one strip of few bytes."""
    path = tmp_path / "a.tif"
    tags = [(34735, "H", 4, (1, 1, 0, 0), True)] if geographic else []
    tifffile.imwrite(
        path,
        np.zeros((1100, 65_535), np.uint8),
        rowsperstrip=1100,
        compression="deflate",
        extratags=tags,
    )
    line = refusal(path)
    assert line.startswith("it has tiles or strips of 1100 x 65535 pixels, more than the 67108864")
    assert "smaller tiles" in line or "save it tiled" in line
    with open_source(path, max_pixels=1100 * 65_535) as source:
        assert not (view(source, whole(source.size), (4, 4)) + 1).any()


def test_a_url_that_refuses_is_told(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("a.tif", "a.png"):
        assert "can't be reached" in refusal(f"http://127.0.0.1:{port}/{name}")
    with serving(tmp_path) as server:
        assert "404" in refusal(f"{server.url}/none.tif")


def test_a_url_that_stalls_is_given_up(monkeypatch):
    monkeypatch.setitem(raster._SETTINGS, "GDAL_HTTP_TIMEOUT", 1)
    monkeypatch.setitem(raster._SETTINGS, "GDAL_HTTP_MAX_RETRY", 0)
    monkeypatch.setattr(download, "SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.tif"
        assert "can't be reached" in refusal(url)
        monkeypatch.setattr("tnet_tf.images.open_source._installed", lambda _: False)
        assert "can't be reached" in refusal(url)


def test_only_what_a_view_needs_is_asked_of_a_server(tmp_path):
    path = tmp_path / "a.tif"
    pixels = picture(1536, 1536)
    KINDS["COG"].write(path, pyramid(pixels))
    random = np.random.default_rng(0)
    with serving(tmp_path) as server, open_source(f"{server.url}/a.tif") as source:
        assert isinstance(source, RasterSource)
        view(source, whole(source.size), (64, 64), antialias=True)
        for top, left in random.integers(0, 1536 - 96, (8, 2)):
            window = source.window(0, top, left, 96, 96)
            np.testing.assert_array_equal(window, pixels[top : top + 96, left : left + 96])
        assert server.paths == {"/a.tif"}
        assert server.bytes_sent < 0.25 * path.stat().st_size
        assert server.requests <= 1 + 1 + 2 * 8
        assert source.bytes_read == server.bytes_sent
        assert 0 < source.requests <= server.requests


def test_a_plain_image_behind_a_url_is_read_whole(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    with serving(tmp_path) as server:
        with open_source(f"{server.url}/a.png") as source:
            np.testing.assert_array_equal(source.window(0, 0, 0, 70, 50), PIXELS)
        assert "3499" in refusal(f"{server.url}/a.png", max_pixels=3499)
        (tmp_path / "a.txt").write_text("no picture")
        assert "is not a JPEG" in refusal(f"{server.url}/a.txt")


def test_s3_is_read_by_parts(tmp_path, monkeypatch):
    (tmp_path / "bucket").mkdir()
    decoded = KINDS["COG"].write(tmp_path / "bucket" / "a.tif", pyramid(picture(300, 200)))
    with serving(tmp_path) as server:
        monkeypatch.setenv("AWS_S3_ENDPOINT", server.url.removeprefix("http://"))
        for name, value in (("HTTPS", "NO"), ("VIRTUAL_HOSTING", "FALSE")):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
        with open_source("s3://bucket/a.tif") as source:
            np.testing.assert_array_equal(source.window(0, 9, 9, 50, 50), decoded[0][9:59, 9:59])
            assert source.bytes_read == server.bytes_sent


def test_physical_sizes_and_coordinates_are_known(tmp_path):
    sizes = {}
    for kind in ("SVS", "OME-TIFF", "COG", "TIFF in tiles", "PNG"):
        path = tmp_path / kind.replace(" ", "")
        KINDS[kind].write(path, pyramid(picture(300, 200)))
        with open_source(path) as source:
            sizes[kind] = source.pixel_size
            transform = (0.5, 0, 500_000, 0, -0.25, 5_000_000)
            expected = Georeference(transform, "EPSG:32633") if kind == "COG" else None
            assert source.georeference == expected
    assert sizes == {
        "SVS": (0.499, 0.499),
        "OME-TIFF": (0.25, 0.5),
        "COG": (250_000, 500_000),
        "TIFF in tiles": None,
        "PNG": None,
    }


@pytest.mark.parametrize(("kind", "extra"), [("SVS", "tiff"), ("COG", "geo")])
def test_missing_packages_are_told_with_the_cure(kind, extra, tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    KINDS[kind].write(path, pyramid(picture(300, 200)))
    missing = {"tiff": "imagecodecs", "geo": "rasterio"}[extra]
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == missing else real(name)
    )
    assert refusal(path).endswith(f"run: pip install -e '.[{extra}]'")


def test_slides_of_other_containers_need_openslide(tmp_path, monkeypatch):
    path = tmp_path / "a.czi"
    path.write_bytes(b"ZISRAWFILE" + bytes(300))
    assert "ZISRAWDIRECTORY" in refusal(path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert refusal(path).endswith("run: pip install -e '.[wsi]'")

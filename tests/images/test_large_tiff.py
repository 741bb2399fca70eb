import numpy as np

from tests.images import large_tiff
from tnet_tf.images.open_source import open_source
from tnet_tf.images.regions import Rectangle, whole
from tnet_tf.images.view import view


def test_two_levels_of_four_locations_read_a_fiftieth_of_the_bytes(tmp_path):
    """Four cells of 0.35 of the side, and four within each of them, all at 224 px."""
    side, path = 16_384, tmp_path / "large.tif"
    large_tiff.write(path, side)
    random = np.random.default_rng(0)
    with open_source(path) as source:
        view(source, whole(source.size), (224, 224), antialias=True)
        for top, left in random.random((4, 2)) * 0.65 * side:
            cell = round(0.35 * side)
            view(source, Rectangle(round(top), round(left), cell, cell), (224, 224), True)
            for down, across in random.random((4, 2)) * 0.65 * cell:
                inner = round(0.35 * cell)
                corner = round(top + down), round(left + across)
                view(source, Rectangle(*corner, inner, inner), (224, 224), True)
        assert 0 < source.bytes_read <= 0.02 * path.stat().st_size


def test_tiles_that_were_left_out_are_black(tmp_path):
    path = tmp_path / "sparse.tif"
    large_tiff.write(path, 32_768)
    with open_source(path) as source:
        window = source.window(0, 0, 0, 2048, 2048)
        blocks = window.reshape(8, 256, 8, 256, 3).swapaxes(1, 2)
        empty = ~blocks.any(axis=(2, 3, 4))
        assert empty.any()
        assert not empty.all()

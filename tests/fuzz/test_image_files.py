import io

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.folder_shapes import SHAPES
from tests.fuzz.image_files import damaged_files, folder_shape, prepared_files
from tests.fuzz.image_parts import container
from tests.fuzz.whole_images import KINDS, whole_image
from tests.inputs.images import noise


def random(seed):
    return np.random.default_rng(seed)


def test_whole_images_of_all_kinds_are_stored(tmp_path):
    files = [(kind, ending, whole_image(kind, random(0))) for kind, (ending, _) in KINDS.items()]
    told = prepared_files(tmp_path, files, random(0))
    assert told == {(kind, "stored"): 1 for kind in KINDS}


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_damaged_files_are_told_in_one_line_or_stored_readably(tmp_path, seed):
    assert damaged_files(tmp_path, 20, random(seed)).total() == 20


@pytest.mark.parametrize("shape", [*list(SHAPES)[::5], "a pipe"])
def test_folders_of_unusual_shape_are_told_in_one_line_or_stored_readably(tmp_path, shape):
    folder_shape(tmp_path, shape, random(0))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_folders_of_every_shape_are_told_in_one_line_or_stored_readably(tmp_path, shape):
    folder_shape(tmp_path, shape, random(1))


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_put_together_as_they_were_taken_apart(kind):
    content = whole_image(kind, random(0))
    of = container(content)
    if of is not None:
        assert len(of.split(content)) > 1
        assert of.join(of.split(content)) == content


def test_interlaced_images_have_the_pixels_of_others():
    content = KINDS["interlaced PNG"][1](noise(13, 11))
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["interlace"]
        np.testing.assert_array_equal(image, noise(13, 11))

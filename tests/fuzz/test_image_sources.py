import collections

import numpy as np
import pytest

from tests.fuzz.image_sources import TIFF_WAYS, damaged_file


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_files_are_told_in_one_line_or_read(tmp_path, seed):
    told = collections.Counter(
        damaged_file(tmp_path / "a", np.random.default_rng((seed, number))) for number in range(40)
    )
    assert {way for way, _ in told} & {way.__name__ for way in TIFF_WAYS}
    assert any(line != "read" for _, line in told)

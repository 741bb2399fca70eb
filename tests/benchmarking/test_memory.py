import os

import numpy as np
import pytest

from tnet_tf.benchmarking.memory import peak_growth

MEBIBYTE = 2**20


def filling(mebibytes):
    return lambda: np.ones(mebibytes * MEBIBYTE, np.uint8).sum()


def ending():
    return lambda: os._exit(9)


def test_peak_is_what_the_work_fills():
    small, large = (peak_growth(filling, size) for size in (50, 300))
    assert large == pytest.approx(300 * MEBIBYTE, rel=0.1)
    assert large - small == pytest.approx(250 * MEBIBYTE, rel=0.1)


def test_a_process_that_the_system_ends_is_told():
    with pytest.raises(MemoryError, match="ended with code 9"):
        peak_growth(ending)

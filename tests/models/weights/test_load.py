import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, build
from tnet_tf.errors import UserError
from tnet_tf.models.weights.load import load_pretrained


@pytest.mark.parametrize("levels, source", [(1, [0, 0, 0]), (2, [0, 1, 1]), (3, [0, 1, 2])])
def test_levels_that_a_model_of_ours_lacks_start_from_the_last_one_it_has(levels, source, tmp_path):
    def model(count):
        normalization = "shared" if count == 1 else "per_level"
        return build(TINY, normalization=normalization, locations=(2,) * max(1, count - 1))

    def gammas(network):
        return network.feature_extraction.convolutions[0].normalization.gamma

    saved = model(levels)
    for number, gamma in enumerate(gammas(saved)):
        gamma.assign(tf.fill(gamma.shape, 2.0 + number))
    saved.save(tmp_path / "model.keras")
    deeper = model(3)
    report = load_pretrained(deeper, str(tmp_path / "model.keras"))
    assert not report.initial + report.skipped + report.unused
    assert [float(gamma[0]) for gamma in gammas(deeper)] == [2.0 + number for number in source]
    shared = model(1)
    assert not load_pretrained(shared, str(tmp_path / "model.keras")).initial
    assert [float(gamma[0]) for gamma in gammas(shared)] == [2.0]


def test_our_own_models_load_whatever_they_are_called(tmp_path):
    source = build(TINY)
    source.save(tmp_path / "model.keras")
    source.save_weights(tmp_path / "model.weights.h5")
    for name in ("model.keras", "model.weights.h5"):
        target = build(TINY)
        report = load_pretrained(target, str(tmp_path / name))
        assert not report.initial + report.skipped + report.unused
        images = tf.random.uniform((2, 64, 64, 3))
        np.testing.assert_array_equal(source(images).logits, target(images).logits)


@pytest.mark.parametrize("name", ["missing.h5", "missing"])
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(UserError, match=rf"{name}: no such weights"):
        load_pretrained(build(TINY), str(tmp_path / name))


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "broken.h5"
    path.write_bytes(b"not an HDF5 file")
    with pytest.raises(UserError, match=r"broken\.h5 can't be read"):
        load_pretrained(build(TINY), str(path))

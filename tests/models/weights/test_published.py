import numpy as np
import pytest

from tests.models import golden
from tests.networks import CUB, FMOW, TINY, build
from tnet_tf.errors import UserError
from tnet_tf.models.weights.load import load_pretrained
from tnet_tf.models.weights.names import variable_names
from tnet_tf.models.weights.published import translation


def test_per_level_normalisation_starts_every_level_from_the_published_one(tmp_path):
    description, _ = golden.read("tnet_fmow_448")
    prefix = golden.write_checkpoint(description["variables"], str(tmp_path / "published"))
    model = build(FMOW, 62, normalization="per_level")
    assert not load_pretrained(model, prefix).initial
    stem = model.feature_extraction.stem.normalization
    for level in stem.gamma:
        np.testing.assert_array_equal(
            level, golden.weight("feature_extraction/stem/batch_norm/gamma", [32])
        )


def test_published_names_cover_every_weight_once():
    description, _ = golden.read("tnet_b0_cub_448")
    model = build(CUB, 200)
    names = map(translation(model), variable_names(model))
    assert sorted(names) == sorted(name for name, *_ in description["variables"])


def test_another_backbone_is_named_as_the_mismatch(tmp_path):
    description, _ = golden.read("efficientnet_b0_fmow_224")
    prefix = golden.write_checkpoint(description["variables"], str(tmp_path / "published"))
    with pytest.raises(UserError, match=r"block\d+.*has shape .*; choose the --backbone"):
        load_pretrained(build(FMOW, 62, model="feedforward", backbone="efficientnet_b2"), prefix)
    with pytest.raises(UserError, match="no published weights of a PlainCNN"):
        load_pretrained(build(TINY), prefix)

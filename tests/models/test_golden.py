"""Our networks are the published ones: same parameters, same attention, same logits."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.models import golden
from tests.networks import CUB, FMOW, IMAGENET, build
from tnet_tf.layers.pixels import image_size
from tnet_tf.models.weights.load import load_pretrained

TNETS = {
    "tnet_imagenet_224": (IMAGENET, 1000),
    "tnet_fmow_448": (FMOW, 62),
    "tnet_fmow_896": (dataclasses.replace(FMOW, locations=(2, 1)), 62),
    **{
        f"tnet_b{i}_cub_448": (dataclasses.replace(CUB, backbone=f"efficientnet_b{i}"), 200)
        for i in range(5)
    },
}
BASELINES = {
    "bagnet77_imagenet_224": (dataclasses.replace(IMAGENET, model="feedforward"), 1000),
    "efficientnet_b0_fmow_224": (dataclasses.replace(FMOW, model="feedforward"), 62),
}


def loaded(name, config, classes, folder):
    """The network with the golden weights, loaded from a checkpoint as --pretrained does."""
    description, expected = golden.read(name)
    model = build(config, classes)
    prefix = golden.write_checkpoint(description["variables"], str(folder / "published"))
    report = load_pretrained(model, prefix)
    assert len(report.loaded) == len(description["variables"])
    assert not report.initial + report.skipped + report.unused
    assert model.count_params() == description["params"]
    images = golden.images(
        description["image_seed"], description["images"], description["image_size"]
    )
    return model, tf.constant(images), expected


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_give_the_published_logits(name, tmp_path):
    model, images, expected = loaded(name, *BASELINES[name], tmp_path)
    np.testing.assert_allclose(model(images).logits, expected["logits"], atol=1e-4)


@pytest.mark.parametrize("name", TNETS)
def test_tnet_attends_and_classifies_as_published(name, tmp_path):
    config, classes = TNETS[name]
    model, images, expected = loaded(name, config, classes, tmp_path)
    outputs = model(images)

    np.testing.assert_allclose(outputs.logits, expected["logits"], atol=1e-4)
    for number, probabilities in enumerate(outputs.location_probs, start=1):
        published = expected[f"location_probs_{number}"]
        np.testing.assert_allclose(
            probabilities, np.reshape(published, probabilities.shape), atol=1e-5
        )
    np.testing.assert_array_equal(attended(outputs, config), expected["attended"])
    if "feature_weights" in expected:
        order = np.argsort(outputs.cells, axis=1)
        by_cell = np.take_along_axis(outputs.weights[:, 1:].numpy(), order, axis=1)
        weights = np.concatenate([outputs.weights[:, :1], by_cell], axis=1)
        np.testing.assert_allclose(weights, expected["feature_weights"], atol=1e-5)

    start = model.start(len(images), image_size(images))
    thumbnails = model.reader(images)(start.regions)
    features, spatial = model.feature_extraction(thumbnails)
    np.testing.assert_allclose(features, expected["level1_features"], atol=1e-4)
    grid_features = spatial[:, model.grid_slices[0], model.grid_slices[1], :8]
    np.testing.assert_allclose(grid_features, expected["level1_grid_features"], atol=1e-4)


def attended(outputs, config):
    """0/1 per cell as the golden files have it: an image's grids in the parents' raster order."""
    cells, images = outputs.cells.numpy(), len(outputs.cells)
    flags, start, parents = [], 0, [[()] for _ in range(images)]
    for count in config.locations:
        level = np.zeros((images, len(parents[0]), config.grid**2), np.uint8)
        children = []
        for image, paths in enumerate(parents):
            chosen = cells[image, start : start + len(paths) * count].reshape(len(paths), count)
            rank = {path: position for position, path in enumerate(sorted(paths))}
            for path, row in zip(paths, chosen, strict=True):
                level[image, rank[path], row] = 1
            children.append([(*p, c) for p, row in zip(paths, chosen, strict=True) for c in row])
        start, parents = start + len(parents[0]) * count, children
        flags.append(level.reshape(images, -1))
    return np.concatenate(flags, axis=1)

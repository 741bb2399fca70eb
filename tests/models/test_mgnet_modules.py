import numpy as np
import pytest
import tensorflow as tf

from tests.models.small_mgnet import network
from tests.networks import TINY_MGNET, build


def test_fusion_is_eq_3():
    model = network()
    fusion, random = model.fusion, np.random.default_rng(1)
    for weight in fusion.weights:
        weight.assign(random.normal(0, 0.2, weight.shape))
    vectors = random.normal(0, 1, (5, 3, fusion.channels)).astype(np.float32)
    fused, weights = fusion(tf.unstack(vectors, axis=1))

    query, key, value, output = (
        lambda x, layer=layer: x @ np.float64(layer.kernel) + np.float64(layer.bias)
        for layer in (fusion.query, fusion.key, fusion.value, fusion.output_layer)
    )
    for seen, found, weighed in zip(vectors, fused, weights, strict=True):
        asked = np.exp(query(seen)[-1] @ key(seen).T / fusion.channels**0.5)
        expected_weights = asked / asked.sum()
        answer = output(expected_weights @ value(seen))
        answer = (answer - answer.mean()) / np.sqrt(answer.var() + 1e-5)
        answer = answer * fusion.normalization.gamma + fusion.normalization.beta
        np.testing.assert_allclose(weighed, expected_weights, atol=1e-5)
        np.testing.assert_allclose(found, np.maximum(answer, 0), atol=1e-4)


@pytest.mark.parametrize("scale", [(0.2, 0.5), (0.3, 0.3), (0.1, 1.0)])
def test_regions_are_eq_4_and_inside_of_the_image(scale):
    model = network(region_scale=scale, locations=(3,))
    fused = 9 * np.random.default_rng(0).normal(size=(2000, model.channels + 3))
    shares = model.localization.linear(fused).numpy()
    shares = 1 / (1 + np.exp(-shares.astype(np.float64)))
    assert shares.min() < 0.01 and shares.max() > 0.99
    affine = model.localization(tf.constant(fused, tf.float32))
    scales = scale[0] + (scale[1] - scale[0]) * shares[:, 0]
    np.testing.assert_allclose(affine[:, 0], scales, atol=1e-5)
    for axis in (1, 2):
        centres = (2 * shares[:, axis] - 1) * (1 - scales)
        np.testing.assert_allclose(affine[:, axis], centres, atol=1e-5)

    boxes = model(tf.random.uniform((20, 40, 56, 3), -1, 1)).boxes.numpy().astype(np.float64)
    assert boxes.min() >= 0 and boxes.max() <= 1
    # The same share of the height and of the width.
    for axis, side in ((0, 40), (1, 56)):
        shares = ((boxes[..., axis + 2] - boxes[..., axis]) * side - 1) / (side - 1)
        assert (shares > scale[0] - 1e-5).all() and (shares < scale[1] + 1e-5).all()


def test_dense_layers_start_as_published_and_no_two_alike():
    """Kaiming normal: deviation sqrt(2 / fan in), values beyond two deviations occur; biases 0."""
    model = build(classes=300, config=TINY_MGNET)
    fusion = model.fusion
    layers = [
        *(fusion.query, fusion.key, fusion.value, fusion.output_layer),
        *(model.localization.linear, model.classification.linear),
        model.glimpse_classification.linear,
    ]
    for layer in layers:
        kernel = layer.kernel.numpy()
        deviation = np.sqrt(2 / kernel.shape[0])
        # Of n draws the deviation is known to within 1 / sqrt(2 n) of itself.
        spread = 4 / np.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(deviation, rel=spread)
        beyond = np.mean(np.abs(kernel) > 2 * deviation)
        assert beyond == pytest.approx(0.0455, abs=4 * np.sqrt(0.0455 / kernel.size))
        assert not np.any(layer.bias)
    square = [layer.kernel.numpy().tobytes() for layer in layers[:4]]
    assert len(set(square)) == 4

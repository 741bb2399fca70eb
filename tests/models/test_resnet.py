import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build
from tnet_tf.layers.receptive_field import field_centres
from tnet_tf.models.resnet import VARIANTS, ResNet

# Of torchvision's networks without their classifier.
PARAMETERS = {
    "resnet18": 11_176_512,
    "resnet34": 21_284_672,
    "resnet50": 23_508_032,
    "resnext50_32x4d": 22_979_904,
    "wide_resnet50_2": 66_834_240,
}
IMAGE = (2, 40, 56, 3)


@pytest.fixture(scope="module", params=PARAMETERS)
def network(request):
    return ResNet(request.param)


@pytest.fixture(scope="module")
def resnext():
    return ResNet("resnext50_32x4d", normalization_levels=2)


@pytest.fixture
def images():
    return tf.random.stateless_uniform(IMAGE, (1, 2), -1, 1)


def test_there_are_as_many_weights_as_in_torchvision(network):
    trainable = sum(np.prod(variable.shape) for variable in network.trainable_weights)
    assert trainable == PARAMETERS[network.variant]
    averages = {v.path.split("/")[-1] for v in network.non_trainable_weights}
    assert averages == {"moving_mean", "moving_variance"}


def test_features_are_vectors_and_a_map_of_an_eighth_of_the_side(network, images):
    features, spatial = network(images)
    assert features.shape == (2, network.feature_channels)
    assert spatial.shape == (2, 5, 7, network.grid_channels)
    bottleneck = VARIANTS[network.variant].bottleneck
    assert network.feature_channels == (2048 if bottleneck else 512)
    assert network.grid_channels == (512 if bottleneck else 128)


def test_without_max_pooling_the_maps_are_twice_as_large(images):
    pooled, plain = ResNet("resnet18"), ResNet("resnet18", max_pool=False)
    plain.set_weights(pooled.get_weights())
    (features, spatial), (other_features, other) = pooled(images), plain(images)
    assert spatial.shape[1:3] == (5, 7)
    assert other.shape[1:3] == (10, 14)
    assert np.abs(features - other_features).max() > 1e-3


@pytest.mark.parametrize(
    ("variant", "max_pool"), [("resnet18", True), ("resnet18", False), ("resnet50", False)]
)
def test_the_windows_lead_to_the_map_s_receptive_fields(variant, max_pool):
    """A pixel of the map answers to the pixels around its centre alone, as much on either side."""
    network = ResNet(variant, max_pool=max_pool)
    for weight in network.weights:
        if weight.path.endswith("kernel"):  # Nothing is lost in a ReLU.
            weight.assign(tf.abs(weight.value))
    side = 96
    images = tf.random.stateless_uniform((1, side, side, 3), (1, 2), 0.5, 1)
    centres = field_centres(side, network.grid_windows)
    middle = centres.size // 2
    with tf.GradientTape() as tape:
        tape.watch(images)
        _, spatial = network(images)
        answer = tf.reduce_sum(tf.math.log(spatial[0, middle, middle]))
    assert spatial.shape[1] == centres.size
    weights = np.abs(tape.gradient(answer, images)).sum(axis=(0, 2, 3))
    rows = np.nonzero(weights)[0]
    centre = centres.first + middle * centres.step
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(centre, abs=1)
    assert (weights @ (np.arange(side) + 0.5)) / weights.sum() == pytest.approx(centre, abs=1)


def test_levels_share_all_but_batchnorm(images):
    one, two = ResNet("resnet18"), ResNet("resnet18", normalization_levels=2)
    normalization = [v for v in one.weights if "normalization" in v.path]
    assert len(two.weights) == len(one.weights) + len(normalization)
    before = [two(images, level=level)[0] for level in (1, 2)]
    np.testing.assert_array_equal(*before)
    two(images, level=2, training=True)
    after = [two(images, level=level)[0] for level in (1, 2)]
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_training_normalises_by_the_batch_and_keeps_a_tenth_of_its_statistics(images):
    network = ResNet("resnet18")
    network(images, training=True)
    stem = network.stem.normalization
    convolved = network.stem.convolution(images)
    mean = tf.reduce_mean(convolved, axis=(0, 1, 2))
    np.testing.assert_allclose(stem.moving_mean[0], 0.1 * mean, atol=1e-6)
    assert stem.epsilon == 1e-5


def test_kernels_start_as_he_et_al_say(network):
    kernels = {v.path: v for v in network.trainable_weights if v.path.endswith("kernel")}
    for path, kernel in kernels.items():
        fan_out = kernel.shape[0] * kernel.shape[1] * kernel.shape[-1]
        assert abs(np.mean(kernel)) < 0.1 * np.std(kernel), path
        assert np.var(kernel) == pytest.approx(2 / fan_out, rel=0.1), path
    several = [v.numpy() for v in kernels.values() if v.shape == (1, 1, 1024, 2048)]
    assert len({array.tobytes() for array in several}) == len(several)


def loss_and_gradients(network, images, level):
    """Features pushed towards a direction of their own."""
    wanted = tf.random.stateless_normal((len(images), network.feature_channels), (3, 4))
    weights = [variable.value for variable in network.trainable_weights]
    with tf.GradientTape() as tape:
        features, _ = network(images, level=level, training=True)
        loss = tf.reduce_mean((features - wanted) ** 2)
    return loss, tape.gradient(loss, weights)


def test_gradients_reach_every_weight_of_a_resnext(resnext, images):
    _, gradients = loss_and_gradients(resnext, images, 1)
    for variable, gradient in zip(resnext.trainable_weights, gradients, strict=True):
        other_level = variable.path.endswith(("gamma_2", "beta_2"))
        assert (gradient is None) == other_level, variable.path
        if gradient is not None:
            assert np.isfinite(gradient).all() and np.any(gradient), variable.path


def test_steps_against_the_gradient_lower_the_loss_of_a_resnext(resnext, images):
    before, gradients = loss_and_gradients(resnext, images, 2)
    size = sum(float(tf.reduce_sum(g**2)) for g in gradients if g is not None)
    step = 0.002 * float(before) / size
    for variable, gradient in zip(resnext.trainable_weights, gradients, strict=True):
        if gradient is not None:
            variable.assign_sub(step * gradient)
    after, _ = loss_and_gradients(resnext, images, 2)
    # As far as the slope says, which only the right gradient does.
    assert float(before - after) == pytest.approx(0.002 * float(before), rel=0.1)


@pytest.mark.parametrize("normalization", ["shared", "per_level"])
def test_tnet_attends_by_the_map_of_a_resnet(normalization):
    model = build(backbone="resnet18_no_maxpool", normalization=normalization)
    assert model.feature_extraction.max_pool is False
    # Fields of 4 px from the first pixel on; cells have their centres at 8, 16 and 24.
    assert model.grid_slices == (slice(2, 7, 2),) * 2
    outputs = model(tf.random.stateless_uniform((2, 80, 96, 3), (1, 2), -1, 1), training=True)
    assert outputs.logits_by_count.shape == (2, 3, 4)
    assert outputs.location_probs[0].shape == (2, 1, 9)
    tf.debugging.assert_all_finite(outputs.logits, "")

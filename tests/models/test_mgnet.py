import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from tests.models import golden
from tests.models.small_mgnet import network
from tests.networks import MGNET, build
from tnet_tf.errors import UserError
from tnet_tf.layers import glimpses
from tnet_tf.models.mgnet import MGNet
from tnet_tf.models.plain_cnn import PlainCNN
from tnet_tf.models.weights.load import load_pretrained

GOLDEN = ("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2")


@pytest.fixture
def images():
    return tf.random.stateless_uniform((3, 96, 80, 3), (1, 2), -1, 1)


def assert_same(outputs, expected):
    for name, one, other in zip(outputs._fields, outputs, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=name)


def affine_of(boxes, side):
    """The affine vectors (scale, x, y) of boxes, by algebra.

    Args:
      boxes: (.., 4).
      side: of the image in pixels, or (height, width).
    """
    sides = np.broadcast_to(side, 2)
    first, last = (
        (boxes[..., i : i + 2] * sides - shift) / (sides - 1) for i, shift in ((0, 0), (2, 1))
    )
    centre = first + last - 1
    return np.stack([(last - first)[..., 0], centre[..., 1], centre[..., 0]], axis=-1)


def test_a_call_may_ask_for_more_locations_than_the_constructor(images):
    model = network(locations=(1,))
    assert model(images).logits_by_count.shape == (3, 2, 4)
    assert model(images, locations=(3,)).logits_by_count.shape == (3, 4, 4)
    assert_same(model(images, locations=(0,)), model(images, locations=()))


def test_locations_that_are_not_one_number_are_refused(images):
    with pytest.raises(UserError, match="MGNet takes one number"):
        network()(images, locations=(1, 1))
    with pytest.raises(UserError, match=r"^numbers of locations must be 0 or more; given: -1$"):
        network()(images, locations=(-1,))


class CountedCNN(PlainCNN):
    """A backbone that counts what is looked at, in graphs, too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.looks = tf.Variable(0)

    def call(self, images, level=1, training=False):
        self.looks.assign_add(1)
        return super().call(images, level=level, training=training)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_tensor_of_locations_exits_early(images, compiled):
    model = MGNet(CountedCNN(), 4, (32, 32), locations=(3,))
    model.localization.linear.kernel.assign(3 * network().localization.linear.kernel.value)

    def predict(images, count):
        return model(images, locations=(count,))

    if compiled:
        size, number = tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((), tf.int32)
        predict = tf.function(predict, input_signature=[size, number])
    # Where a number is known to be too large, it is refused.
    for count in range(6 if compiled else 4):
        expected = model(images, locations=(min(count, 3),))
        model.feature_extraction.looks.assign(0)
        assert_same(predict(images, tf.constant(count)), expected)
        # At most as often as the constructor says.
        assert model.feature_extraction.looks == 1 + min(count, 3)


def test_with_no_locations_and_the_image_s_resolution_it_is_the_feed_forward_network(images):
    model = network(base_resolution=(96, 80), locations=(0,))
    outputs = model(images)
    features, _ = model.feature_extraction(images)
    vector = np.concatenate([features, np.tile([1, 0, 0], (3, 1))], axis=1)
    # Attention over one vector is that vector.
    fusion = model.fusion
    values = vector @ fusion.value.kernel + fusion.value.bias
    values = values @ fusion.output_layer.kernel + fusion.output_layer.bias
    centred = values - values.mean(axis=1, keepdims=True)
    normalized = centred / np.sqrt(values.var(axis=1, keepdims=True) + 1e-5)
    fused = np.maximum(normalized + fusion.normalization.beta, 0)
    classifier = model.classification.linear
    np.testing.assert_allclose(outputs.features, fused, atol=1e-4)
    np.testing.assert_allclose(
        outputs.logits, fused @ classifier.kernel + classifier.bias, atol=1e-4
    )
    glimpse_logits = model.glimpse_classification(features)
    np.testing.assert_allclose(outputs.feature_logits[:, 0], glimpse_logits, atol=1e-5)
    np.testing.assert_array_equal(outputs.weights, [[1]] * 3)


def test_every_glimpse_is_where_the_one_before_it_has_sent_it(images):
    """The recurrence of figure 2, glimpse by glimpse, out of the modules."""
    model = network(locations=(3,))
    outputs = model(images)
    affine = np.tile(np.float32([1, 0, 0]), (3, 1))
    vectors = []
    for glimpse in range(4):
        views = glimpses.sample_glimpses(images, tf.constant(affine), (32, 32))
        features, _ = model.feature_extraction(views)
        glimpse_logits = model.glimpse_classification(features)
        np.testing.assert_allclose(outputs.feature_logits[:, glimpse], glimpse_logits, atol=1e-4)
        vectors.append(tf.concat([features, affine], axis=1))
        fused, weights = model.fusion(vectors)
        logits = model.classification(fused)
        np.testing.assert_allclose(outputs.logits_by_count[:, glimpse], logits, atol=1e-4)
        affine = model.localization(fused)
        if glimpse < 3:
            found = affine_of(outputs.boxes[:, glimpse].numpy().astype(np.float64), (96, 80))
            np.testing.assert_allclose(found, affine, atol=1e-5)
    for count in (1, 2, 3):
        logits = model.classification(model.fusion(vectors[1 : count + 1])[0])
        found = outputs.logits_without_context[:, count - 1]
        np.testing.assert_allclose(found, logits, atol=1e-4)
    np.testing.assert_allclose(outputs.weights, weights, atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(outputs.weights, axis=1), np.ones(3), rtol=1e-5)
    np.testing.assert_allclose(outputs.features, fused, atol=1e-4)


def test_pixels_as_uint8_give_what_floats_give(images):
    pixels = tf.cast(tf.round((images + 1) * 127.5), tf.uint8)
    floats = tf.cast(pixels, tf.float32) / 127.5 - 1
    model = network()
    assert_same(model(pixels), model(floats))
    whole = network(base_resolution=(96, 80))
    assert_same(whole(pixels), whole(floats))


def localization_gradient(images, scale, locations=(1,)):
    """Of the logits with respect to the localization network's weights."""
    model = network(gradient_scale=scale)
    weights = [variable.value for variable in model.localization.trainable_variables]
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(images, locations=locations).logits ** 2)
    return [gradient.numpy() for gradient in tape.gradient(total, weights)]


def test_the_localization_network_s_gradient_is_scaled(images):
    one, twice, none = (localization_gradient(images, scale) for scale in (0.01, 0.02, 0.0))
    for gradients in zip(one, twice, none, strict=True):
        assert np.abs(gradients[0]).max() > 1e-6
        np.testing.assert_allclose(gradients[1], 2 * gradients[0], rtol=1e-4, atol=1e-8)
        np.testing.assert_array_equal(gradients[2], np.zeros_like(gradients[2]))


def test_the_localization_network_learns_from_pixels_not_from_the_position():
    even = tf.fill((2, 96, 80, 3), 0.3)
    model = network()
    boxes = [model(pixels).boxes for pixels in (even, tf.zeros_like(even))]
    assert np.abs(boxes[0] - boxes[1]).max() > 1e-3  # It does look elsewhere.
    for gradient in localization_gradient(even, 1.0, locations=(2,)):
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_without_context_the_first_glimpse_does_not_count():
    model = network()
    # Every look goes to the middle, 0.35 of the side.
    for weight in model.localization.weights:
        weight.assign(tf.zeros(weight.shape))
    middle = tf.random.stateless_uniform((2, 40, 40, 3), (1, 2), -1, 1)
    frame = [[0, 0], [28, 28], [28, 28], [0, 0]]
    dark, bright = (model(tf.pad(middle, frame, constant_values=v)) for v in (-0.5, 0.5))
    without = dark.logits_without_context, bright.logits_without_context
    np.testing.assert_allclose(*without, atol=1e-5)
    assert np.abs(dark.logits - bright.logits).max() > 1e-3


def test_batchnorm_per_level_is_one_set_for_whole_images_and_one_for_regions(images):
    def averages(locations):
        model = network(normalization="per_level", locations=(3,))
        normalization = model.feature_extraction.convolutions[0].normalization
        before = [average.numpy() for average in normalization.moving_mean]
        model(images, locations=locations, training=True)
        return before, [average.numpy() for average in normalization.moving_mean]

    (before, first), (_, every) = averages((0,)), averages((3,))
    assert len(before) == 2
    assert (first[0] != before[0]).all() and (every[1] != before[1]).all()
    np.testing.assert_array_equal(first[1], before[1])
    np.testing.assert_array_equal(every[0], first[0])


@pytest.mark.parametrize("backbone", GOLDEN)
def test_mgnet_looks_and_classifies_as_published(backbone, tmp_path):
    description, expected = golden.read(f"mgnet_{backbone}_imagenet100_224")
    model = build(MGNET, 100, backbone=backbone)
    save_file(golden.published_mgnet(backbone), tmp_path / "published.safetensors")
    report = load_pretrained(model, str(tmp_path / "published.safetensors"))
    assert not report.initial + report.skipped + report.unused
    trained = sum(np.prod(variable.shape) for variable in model.trainable_weights)
    assert trained == description["params"]
    images = golden.images(
        description["image_seed"], description["images"], description["image_size"]
    )
    outputs = model(tf.constant(images))

    affine = affine_of(outputs.boxes.numpy().astype(np.float64), description["image_size"])
    np.testing.assert_allclose(affine.swapaxes(0, 1), expected["affine"][1:], atol=1e-5)
    by_glimpse = np.swapaxes(outputs.logits_by_count, 0, 1)
    np.testing.assert_allclose(by_glimpse, expected["logits"], atol=1e-4)
    glimpse_logits = np.swapaxes(outputs.feature_logits, 0, 1)
    np.testing.assert_allclose(glimpse_logits, expected["glimpse_logits"], atol=1e-4)
    thumbnail = glimpses.sample_whole(tf.constant(images), (96, 96))
    features, _ = model.feature_extraction(thumbnail)
    np.testing.assert_allclose(features, expected["feature_1"], atol=1e-4)
    second = glimpses.sample_glimpses(images, expected["affine"][1], (96, 96))
    np.testing.assert_allclose(second[:, :8, :8], expected["glimpse_2_patch"], atol=1e-4)

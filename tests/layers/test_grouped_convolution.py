import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tnet_tf.layers import runtime
from tnet_tf.layers.grouped_convolution import SymmetricConvolution, grouped_convolution

# Groups, channels and filters of a group.
GROUPS = [(1, 3, 5), (2, 3, 2), (4, 1, 3), (8, 2, 2)]
SIDES = [(8, 8), (7, 10), (9, 5)]
each_shape = pytest.mark.parametrize("sides", SIDES)
each_group = pytest.mark.parametrize("groups", GROUPS)
each_window = pytest.mark.parametrize("window", [(3, 1), (3, 2), (5, 2), (1, 1), (1, 2), (7, 2)])


def inputs_and_kernel(sides, groups, window, dtype=tf.float64):
    count, channels, filters = groups
    inputs = tf.random.stateless_uniform((2, *sides, count * channels), (1, 2), -1, 1, dtype)
    shape = (window[0], window[0], channels, count * filters)
    return inputs, tf.random.stateless_uniform(shape, (3, 4), -1, 1, dtype)


def by_group(inputs, kernel, stride):
    """Every group's own convolution, zeros of half a kernel all around, as PyTorch has it."""
    half, groups = kernel.shape[0] // 2, inputs.shape[-1] // kernel.shape[2]
    padded = tf.pad(inputs, [[0, 0], [half, half], [half, half], [0, 0]])
    parts = zip(tf.split(padded, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    return tf.concat([tf.nn.conv2d(*part, stride, "VALID") for part in parts], axis=-1)


def gradients(function, *sources):
    """What a function gives, and the gradients of its sum under random weights."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = function(*sources)
        total = tf.reduce_sum(outputs * random_weights(outputs))
    return outputs, *tape.gradient(total, sources)


def random_weights(outputs):
    numbers = tf.random.stateless_uniform(tf.shape(outputs), (5, 6), -1, 1)
    return tf.cast(numbers, outputs.dtype)


@each_window
@each_group
@each_shape
def test_it_and_its_gradients_are_those_of_a_convolution_of_every_group(sides, groups, window):
    sources = inputs_and_kernel(sides, groups, window)
    ours = gradients(lambda *s: grouped_convolution(*s, window[1]), *sources)
    theirs = gradients(lambda *s: by_group(*s, window[1]), *sources)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sides", [(6, 6), (5, 7)])
def test_gradients_are_those_of_finite_differences(sides, stride):
    inputs, kernel = inputs_and_kernel(sides, (2, 2, 3), (3, stride))

    def total(inputs, kernel):
        outputs = grouped_convolution(inputs, kernel, stride)
        return tf.reduce_sum(tf.sin(outputs) * random_weights(outputs))

    with tf.GradientTape() as tape:
        tape.watch([inputs, kernel])
        loss = total(inputs, kernel)
    found = tape.gradient(loss, [inputs, kernel])
    for number, (source, gradient) in enumerate(zip((inputs, kernel), found, strict=True)):
        for seed in range(5):
            direction = tf.random.stateless_normal(source.shape, (7, seed), dtype=tf.float64)
            ends = []
            for step in (1e-5, -1e-5):
                moved = [inputs, kernel]
                moved[number] = source + step * direction
                ends.append(total(*moved))
            slope = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(tf.reduce_sum(gradient * direction), slope, rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_compiled_gradient_takes_any_batch_and_size(stride):
    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 8), tf.float64),
            tf.TensorSpec((3, 3, 2, 12), tf.float64),
        ]
    )
    def compiled(*sources):
        return gradients(lambda *s: grouped_convolution(*s, stride), *sources)

    for sides in SIDES:
        sources = inputs_and_kernel(sides, (4, 2, 3), (3, stride))
        expected = gradients(lambda *s: by_group(*s, stride), *sources)
        for mine, other in zip(compiled(*sources), expected, strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-12)


@each_window
@each_shape
def test_bfloat16_is_near_float32(sides, window):
    sources = inputs_and_kernel(sides, (4, 2, 3), window, tf.float32)
    rounded = [tf.cast(source, tf.bfloat16) for source in sources]
    exact = gradients(lambda *s: by_group(*s, window[1]), *sources)
    found = gradients(lambda *s: grouped_convolution(*s, window[1]), *rounded)
    for mine, other in zip(found, exact, strict=True):
        assert mine.dtype == tf.bfloat16
        error = np.abs(tf.cast(mine, tf.float32) - other).max()
        assert 0 < error < 0.03 * np.abs(other).max()


@each_group
@pytest.mark.parametrize("stride", [1, 2])
def test_layers_have_the_shapes_they_say_and_convolve_with_their_kernel(groups, stride):
    count, channels, filters = groups
    layer = SymmetricConvolution(count * filters, 3, stride, groups=count)
    layer.build((None, None, None, count * channels))
    assert layer.kernel.shape == (3, 3, channels, count * filters)
    for sides in SIDES:
        inputs, _ = inputs_and_kernel(sides, groups, (3, stride), tf.float32)
        outputs = layer(inputs)
        assert outputs.shape == layer.compute_output_shape(inputs.shape)
        expected = by_group(inputs, layer.kernel.value, stride)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert layer.compute_output_shape((None, None, None, 8))[:3] == (None, None, None)


def test_layers_compute_in_their_precision_and_learn_in_float32():
    layer = SymmetricConvolution(8, 3, 2, groups=4, dtype="mixed_bfloat16")
    inputs = tf.random.stateless_uniform((2, 9, 9, 8), (1, 2))
    layer.build(inputs.shape)
    kernel = layer.kernel.value
    with tf.GradientTape() as tape:
        outputs = layer(inputs)
    assert outputs.dtype == tf.bfloat16
    assert tape.gradient(outputs, kernel).dtype == kernel.dtype == tf.float32


def test_kernels_start_with_a_variance_of_2_over_fan_out():
    layer = SymmetricConvolution(64, 3, groups=4)
    layer.build((None, None, None, 128))
    # The fan out of PyTorch: all filters times the window.
    assert np.var(layer.kernel) == pytest.approx(2 / (64 * 9), rel=0.05)
    # Not truncated: of 18,432 numbers some are beyond three deviations.
    assert np.abs(layer.kernel).max() > 3 * np.std(layer.kernel)


def test_a_layer_made_for_inference_can_be_frozen_and_saved(tmp_path):
    """Its own gradient refers to what a frozen graph no longer has."""
    layer = SymmetricConvolution(8, 3, groups=4)
    layer.build((None, None, None, 8))
    arguments = [tf.TensorSpec((None, None, None, 8)), tf.TensorSpec((), tf.bool)]

    def once_or_twice(images, again):
        return tf.cond(again, lambda: layer(layer(images)), lambda: layer(images))

    with runtime.traced_for(runtime.ONEDNN):
        traced = tf.function(once_or_twice, input_signature=arguments).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)

    @tf.function(input_signature=arguments)
    def served(images, again):
        return {"outputs": frozen(images, again)[0]}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=served)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    images = tf.random.stateless_uniform((2, 9, 9, 8), (1, 2))
    outputs = loaded(images=images, again=tf.constant(True))["outputs"]
    np.testing.assert_allclose(outputs, layer(layer(images)), atol=1e-5)

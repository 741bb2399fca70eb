import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.inputs.images import encoded, noise
from tnet_tf.inputs import decoding


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB")])
def test_pixels_are_those_of_the_image(channels, mode):
    image = noise().convert(mode)
    pixels = decoding.decode(encoded(image, "PNG"), channels)
    assert pixels.dtype == tf.uint8
    np.testing.assert_array_equal(pixels, np.reshape(image, (12, 16, channels)))


def test_of_animations_the_first_frame_is_decoded():
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decoding.decode(content), np.full((6, 8, 3), (255, 0, 0)))


def test_channels_are_known_in_graphs():
    decode = tf.function(decoding.decode).get_concrete_function(tf.TensorSpec((), tf.string), 1)
    assert decode.output_shapes == tf.TensorShape((None, None, 1))

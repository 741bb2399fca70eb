import numpy as np
import pytest
import tensorflow as tf

from tests.networks import small
from tnet_tf.errors import UserError
from tnet_tf.models.factory import MODELS


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return small(request.param)


@pytest.fixture(scope="module")
def images():
    """More images than locations, and an odd number of them."""
    return np.random.default_rng(0).uniform(-1, 1, (7, 48, 40, 3)).astype(np.float32)


def test_outputs_of_several_batches_are_those_of_one(model, images):
    predicted, expected = model.predict(images, batch_size=3, verbose=0), model(images)
    assert type(predicted) is type(expected)
    pairs = zip(tf.nest.flatten(predicted), tf.nest.flatten(expected), strict=True)
    for found, wanted in pairs:
        assert found.shape == wanted.shape
        assert len(found) == len(images)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def refusal(model, images, **settings):
    with pytest.raises(UserError) as error:
        model(images, **settings)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.int8, np.uint16, bool])
def test_whole_numbers_other_than_uint8_are_refused(model, kind):
    sentence = refusal(model, np.ones((2, 48, 40, 3), kind))
    assert f"images are {np.dtype(kind).name}: they must be uint8 in 0 .. 255, or" in sentence


@pytest.mark.parametrize(
    "shape", [(0, 48, 40, 3), (2, 0, 40, 3), (48, 40, 3), (1, 2, 48, 40, 3), (2, 48, 40, 1)]
)
def test_what_are_no_images_is_refused(model, shape):
    sentence = refusal(model, np.zeros(shape, np.float32))
    assert f"images have the shape {shape}: it must be (n, height, width, 3)" in sentence


def test_images_that_are_no_array_are_refused(model):
    assert "one array or tensor (n, height, width, 3), not a list" in refusal(model, [[0.0]])


@pytest.mark.parametrize("value", [255, -3, np.nan, np.inf])
def test_floats_far_out_of_range_are_refused_in_eager_calls(model, images, value):
    """One value is enough, in any image of a batch."""
    wrong = images.copy()
    wrong[4, 24, 20, 1] = value
    sentence = refusal(model, wrong)
    assert "float images must be in [-1, 1] (pixels / 127.5 - 1), else uint8; these" in sentence


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_keras_methods_refuse_floats_far_out_of_range(model, images, method):
    """Those in 0 .. 255 of Keras's `image_dataset_from_directory`, for example."""
    model.compile("sgd")
    labels = [] if method == "predict" else [np.zeros(len(images), np.int32)]
    with pytest.raises(tf.errors.InvalidArgumentError, match="float images must be in"):
        getattr(model, method)(127.5 * (images + 1), *labels, verbose=0)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_of_any_width_are_taken(model, images, kind):
    np.testing.assert_allclose(model(kind(images)).logits, model(images).logits, atol=0.02)

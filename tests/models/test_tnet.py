import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, build
from tnet_tf.errors import UserError
from tnet_tf.models.plain_cnn import PlainCNN
from tnet_tf.models.tnet import TNet


@pytest.fixture
def images():
    return tf.random.uniform((3, 96, 80, 3), -1, 1)


def test_learned_feature_weights_too_depend_on_the_number_of_locations(images):
    model = build(feature_weighting=True)
    full = model(images, locations=(3,))
    for count in (1, 2):
        alone = model(images, locations=(count,))
        np.testing.assert_allclose(full.logits_by_count[:, count], alone.logits, atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(full.weights, axis=1), np.ones(3), rtol=1e-5)


@pytest.mark.parametrize("locations", [(), (1,), (3,), (2, 1), (2, 3, 2)])
def test_shapes_of_outputs_follow_the_locations_of_the_call(images, locations):
    outputs = build()(images, locations=locations)
    count, regions = 0, 1
    levels = []
    for level, number in enumerate(locations, start=2):
        regions *= number
        count += regions
        levels += [level] * regions
    assert outputs.logits.shape == (3, 4)
    assert outputs.logits_by_count.shape == outputs.feature_logits.shape == (3, count + 1, 4)
    assert outputs.logits_without_context.shape == (3, count, 4)
    assert outputs.boxes.shape == (3, count, 4)
    assert outputs.log_probs.shape == outputs.cells.shape == (3, count)
    assert outputs.levels.dtype == tf.int32
    assert outputs.levels.numpy().tolist() == [levels] * 3
    assert outputs.weights.shape == (3, count + 1)
    # Every region that a level looks at has a grid of its own.
    grids = [1, *np.cumprod(locations)][: len(locations)]
    assert [part.shape for part in outputs.location_probs] == [(3, count, 9) for count in grids]
    for probabilities in outputs.location_probs:
        np.testing.assert_allclose(tf.reduce_sum(probabilities, axis=2), 1, rtol=1e-5)


def test_without_context_averages_the_attended_vectors_alone(images):
    outputs = build()(images, locations=(3,))
    # The classifier is linear, so its mean over vectors is its value at their mean.
    expected = tf.reduce_mean(outputs.feature_logits[:, 1:], axis=1)
    np.testing.assert_allclose(outputs.logits_without_context[:, -1], expected, atol=1e-5)


def test_boxes_at_deeper_levels_lie_inside_their_parents(images):
    boxes = build()(images, locations=(2, 1)).boxes.numpy()
    parents, children = boxes[:, :2], boxes[:, 2:]
    assert (children[..., :2] >= parents[..., :2] - 1e-6).all()
    assert (children[..., 2:] <= parents[..., 2:] + 1e-6).all()


def test_the_number_of_locations_and_the_batch_can_change_without_retracing(images):
    model, traces = build(), []

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((), tf.int32)]
    )
    def predict(batch, count):
        traces.append(1)
        return model(batch, locations=(count,)).logits

    for batch, count in ((images, 1), (images[:2], 4), (tf.zeros((1, 50, 70, 3)), 9)):
        expected = model(batch, locations=(count,)).logits
        np.testing.assert_allclose(predict(batch, count), expected, atol=1e-5)
    assert len(traces) == 1


@pytest.mark.parametrize("compiled", [False, True])
def test_no_location_leaves_the_thumbnail_and_where_it_would_look(images, compiled):
    model = build()

    def predict(locations):
        return model(images, locations=locations)

    nothing = (tf.function(predict) if compiled else predict)((0,))
    np.testing.assert_allclose(nothing.logits, model(images, locations=()).logits, atol=1e-5)
    would = model(images, locations=(1,)).location_probs[0]
    np.testing.assert_allclose(nothing.location_probs[0], would, atol=1e-5)
    assert nothing.boxes.shape == (len(images), 0, 4)
    assert nothing.cells.shape == (len(images), 0)
    assert nothing.levels.shape == (len(images), 0)


def test_the_location_loss_never_reaches_the_feature_extractor(images):
    model = build(sampling="without_replacement")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images, training=True).log_probs)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    reached = {
        variable.path.split("/")[1]
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        if gradient is not None
    }
    assert reached == {"location"}


def test_the_classification_loss_never_reaches_the_location_module(images):
    model = build(feature_weighting=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images, training=True).logits ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    missing = {
        variable.path
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        if gradient is None
    }
    assert missing == {v.path for v in model.location.trainable_variables}


def test_training_samples_where_inference_takes_the_most_probable(images):
    model = build(sampling="without_replacement")
    best = {model(images).cells.numpy().tobytes() for _ in range(8)}
    drawn = {model(images, training=True).cells.numpy().tobytes() for _ in range(8)}
    assert len(best) == 1
    assert len(drawn) > 1


@pytest.mark.parametrize(
    "changes",
    [
        {"location_module": "context", "positional_module": "concat"},
        {"feature_weighting": True, "normalization": "per_level", "dropout": 0.5},
    ],
)
def test_all_its_modules_survive_saving_and_graph_mode(images, changes, tmp_path):
    model = build(TINY, **changes)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = build(TINY, **changes)
    fresh.load_weights(tmp_path / "model.weights.h5")
    expected = model(images).logits
    for other in (restored, fresh, tf.function(model)):
        np.testing.assert_allclose(other(images).logits, expected, atol=1e-5)


def test_constructed_by_keyword_arguments_with_a_backbone_of_ones_own():
    model = TNet(PlainCNN(), classes=3, base_resolution=(32, 48), grid=4, cell=0.4, locations=(2,))
    outputs = model(tf.zeros((1, 100, 300, 3), tf.uint8))
    assert outputs.logits.shape == (1, 3)


def test_a_grid_larger_than_the_feature_map_is_refused_when_the_model_is_made():
    with pytest.raises(UserError, match="fewer than --grid=7"):
        build(base_resolution=(24, 24), grid=7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"grid": 1}, "--grid=1 must be at least 2"),
        ({"cell": 0.0}, "--cell=0.0 is a fraction of the side between 0 and 1"),
        ({"cell": 1.5}, "--cell=1.5 is a fraction of the side between 0 and 1"),
    ],
)
def test_grids_that_are_none_are_refused_when_the_model_is_made(changes, sentence):
    settings = {"classes": 3, "base_resolution": (32, 32), **changes}
    with pytest.raises(UserError, match=f"^{sentence}$"):
        TNet(PlainCNN(), **settings)


@pytest.mark.parametrize(("side", "locations"), [(1, (1,)), (2, (1, 1)), (5, (2, 1, 1))])
def test_cells_of_no_pixels_are_refused(side, locations):
    """Half of a side, level by level, is rounded to 0 in the end; a level less can be looked at."""
    model, images = build(), tf.zeros((1, 64, side, 3))
    with pytest.raises(UserError, match=r"^images are too small for a cell of 0.5 of the side"):
        model(images, locations=locations)
    assert model(images, locations=locations[:-1]).logits.shape == (1, 4)


@pytest.mark.parametrize("locations", [(10,), (-1,), (2, -1)])
def test_more_locations_than_cells_are_refused(images, locations):
    with pytest.raises(UserError, match=r"^numbers of locations must be 0 to 9; given:"):
        build()(images, locations=locations)


def test_classifiers_start_as_the_paper_of_their_backbone_says():
    def largest(**settings):
        model = build(classes=100, model="feedforward", **settings)
        return float(tf.reduce_max(tf.abs(model.classification.linear.kernel)))

    # Uniform within 1 / sqrt(classes), and Xavier (appendix 2.2).
    assert 0.99 < largest(backbone="efficientnet_b0") * np.sqrt(100) <= 1
    assert 0.99 < largest(backbone="bagnet77") * np.sqrt((512 + 100) / 6) <= 1

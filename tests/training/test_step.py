import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import build
from tnet_tf.batch import Batch
from tnet_tf.config import Config, LearningConfig, TrainConfig
from tnet_tf.layers.normalization import BatchNormalization
from tnet_tf.learning.reinforce import Reinforce
from tnet_tf.models.precision import computing_in
from tnet_tf.models.weights.names import variable_names
from tnet_tf.training.devices import make_strategy
from tnet_tf.training.schedules import learning_rate_schedule
from tnet_tf.training.step import make_train_step

SGD = TrainConfig(optimizer="sgd", learning_rate=0.01, train_steps=100)


def batches(count, size=8):
    """Batches of noise with labels that a pixel's mean gives away."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, (count * size,)).astype(np.int32)
    images = random.normal(0, 0.3, (count * size, 48, 64, 3)) + labels[:, None, None, None] / 4
    data = Batch.of(images.astype(np.float32), labels)
    return tf.data.Dataset.from_tensor_slices(data).batch(size, drop_remainder=True)


def make_step(train=None, learning=None, pretrained=(), seed=0, make_network=build, **model):
    keras.utils.set_random_seed(seed)
    if make_network is build:
        model = {"normalization": "per_level", **model}
    network = make_network(**model)
    train = train or TrainConfig(optimizer="sgd", learning_rate=0.05, train_steps=100)
    train = dataclasses.replace(train, seed=seed)
    config = Config(learning=learning or LearningConfig(), train=train)
    return make_train_step(network, config, train.train_steps, pretrained)


def weights(step):
    return {name: variable.numpy() for name, variable in variable_names(step.model).items()}


def trained(devices, learning, train, count=4, **model):
    """Losses, weights and reward baseline after a few steps on one or several devices."""
    strategy = make_strategy(devices)
    with strategy.scope():
        step = make_step(train, learning, **model)
    for convolution in step.model.feature_extraction.convolutions:
        # Which side of a ReLU's kink a value falls on can hang on its last digit.
        convolution.activation = keras.activations.silu
    data = strategy.experimental_distribute_dataset(batches(count))
    losses = [step(batch)["loss"].numpy() for batch in data]
    return np.array(losses), weights(step), step.rule.state["baseline"].numpy()


@pytest.mark.parametrize(
    ("learning", "train", "model"),
    [
        (LearningConfig(), SGD, {}),
        (
            LearningConfig(l2_weight=1e-3, lambda_con=0.5),
            dataclasses.replace(SGD, train_steps=2),
            {"normalization": "shared", "locations": (2, 1)},
        ),
        (
            LearningConfig(),
            TrainConfig(optimizer="adam", adam_epsilon=1e-2, train_steps=100),
            {"feature_weighting": True},
        ),
        (
            LearningConfig(),
            SGD,
            {"model": "feedforward", "normalization": "shared"},
        ),
    ],
    ids=["per level", "penalties, 3 levels, rate drop", "Adam", "feed-forward"],
)
def test_two_devices_learn_what_one_learns(learning, train, model):
    _, untrained, _ = trained(1, learning, train, count=0, **model)
    one_losses, one_weights, one_baseline = trained(1, learning, train, **model)
    two_losses, two_weights, two_baseline = trained(2, learning, train, **model)
    np.testing.assert_allclose(two_losses, one_losses, rtol=1e-5)
    np.testing.assert_allclose(two_baseline, one_baseline, rtol=1e-5)
    assert two_weights.keys() == one_weights.keys()
    for name, value in one_weights.items():
        np.testing.assert_allclose(two_weights[name], value, atol=1e-5, err_msg=name)
    moved = max(np.abs(one_weights[name] - value).max() for name, value in untrained.items())
    assert moved > 1e-3


def test_every_weight_and_moving_average_changes():
    step = make_step(learning=LearningConfig(), feature_weighting=True)
    before = weights(step)
    for batch in batches(2):
        step(batch)
    for name, value in weights(step).items():
        assert (value != before[name]).any(), name


def test_a_repeated_batch_is_learned():
    step = make_step(TrainConfig(learning_rate=3e-3, train_steps=100))
    (batch,) = batches(1)
    metrics = [step(batch) for _ in range(25)]
    assert metrics[-1]["loss"] < 0.5 * metrics[0]["loss"]
    assert metrics[-1]["accuracy_by_locations"].numpy().tolist() == [1, 1, 1]
    assert 0 < metrics[-1]["baseline"] < metrics[-1]["reward"]
    moved = 0.9 * 0.5 + 0.1 * metrics[0]["reward"]
    np.testing.assert_allclose(metrics[0]["baseline"], moved, rtol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_repeated_batch_is_learned_in_other_precisions(precision):
    train = TrainConfig(learning_rate=3e-3, train_steps=100, precision=precision)
    with computing_in(precision):
        network = build(normalization="per_level")
    step = make_train_step(network, Config(train=train), steps=100)
    features, _ = network.feature_extraction(tf.zeros((1, 32, 32, 3)))
    assert features.dtype == precision
    (batch,) = batches(1)
    metrics = [step(batch) for _ in range(25)]
    assert metrics[-1]["loss"] < 0.5 * metrics[0]["loss"]
    assert ("loss_scale" in metrics[0]) == (precision == "float16")
    assert {weight.dtype for weight in network.weights} == {"float32"}


def test_loss_is_the_sum_of_its_terms():
    step = make_step(learning=LearningConfig(l2_weight=1e-3, lambda_con=0.5))
    (batch,) = batches(1)
    metrics = step(batch)
    terms = ("l2", "contrastive", "classification", "reinforce")
    others = [metrics[name] for name in metrics if name.startswith(terms)]
    others += [v for name, v in metrics.items() if "feature" in name or "sequence" in name]
    np.testing.assert_allclose(metrics["loss"], sum({id(v): v for v in others}.values()), rtol=1e-5)


def test_randomness_is_a_function_of_seed_and_step():
    noisy = {"sampling": "without_replacement", "dropout": 0.5}
    (batch,) = batches(1)

    def losses(seed):
        step = make_step(**noisy)
        step.seed = seed
        return [float(step(batch)["loss"]) for _ in range(3)]

    assert losses(seed=0) == losses(seed=0)
    assert losses(seed=0) != losses(seed=1)


def test_steps_share_one_graph():
    step = make_step()
    for batch in batches(4):
        step(batch)
    assert step.__call__.experimental_get_tracing_count() == 1


def test_pretrained_weights_have_their_own_rate():
    pretrained = [n for n in variable_names(build()) if n.startswith("feature_extraction/")]
    train = TrainConfig(
        optimizer="sgd", learning_rate=0.1, pretrained_learning_rate=1e-9, train_steps=100
    )
    step = make_step(train, pretrained=pretrained, normalization="shared")
    before = weights(step)
    (batch,) = batches(1)
    metrics = step(batch)
    assert float(metrics["learning_rate_new"]) == pytest.approx(0.1)
    assert float(metrics["learning_rate_pretrained"]) == pytest.approx(1e-9)
    for name, value in weights(step).items():
        if "moving" in name:
            continue
        moved = np.abs(value - before[name]).max()
        assert (moved < 1e-6) == (name in pretrained), name


def test_rates_drop_once():
    schedule = learning_rate_schedule(
        0.5, 10, TrainConfig(learning_rate_drop_at=0.8, learning_rate_drop=0.1)
    )
    rates = [float(schedule(step)) for step in range(10)]
    np.testing.assert_allclose(rates, [0.5] * 8 + [0.05] * 2, rtol=1e-6)


@pytest.fixture
def _eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_eagerly")
def test_samples_of_an_image_are_sequences_of_their_own_and_averaged(monkeypatch):
    """M = 3 sequences of each image: loss and reward are those of a batch of 3 N images."""
    learning = LearningConfig(monte_carlo_samples=3)
    step = make_step(learning=learning, sampling="without_replacement")
    (batch,) = batches(1)
    seen = []
    model = step.model

    def recorded(images, training):
        seen.append((images, model(images, training=training)))
        return seen[-1][1]

    monkeypatch.setattr(step, "model", recorded)
    metrics = step(batch)
    ((images, outputs),) = seen
    np.testing.assert_array_equal(images, np.repeat(batch.images, 3, axis=0))
    sequences = outputs.boxes.numpy().reshape(8, 3, -1)
    assert (sequences != sequences[:, :1]).any(axis=(1, 2)).mean() > 0.5
    labels = tf.repeat(batch.labels, 3)
    terms, mean_reward = Reinforce(learning).terms(outputs, labels)
    np.testing.assert_allclose(metrics["loss"], tf.add_n(terms), rtol=1e-5)
    np.testing.assert_allclose(metrics["reward"], mean_reward, rtol=1e-5)


@pytest.mark.parametrize("normalization", ["shared", "per_level"])
def test_the_l2_penalty_leaves_batch_normalization_alone(normalization):
    step = make_step(learning=LearningConfig(l2_weight=0.01), normalization=normalization)
    layers = step.model._flatten_layers()
    normalizations = [layer for layer in layers if isinstance(layer, BatchNormalization)]
    left_out = {id(w) for layer in normalizations for w in layer.trainable_weights}
    penalized = [w.numpy() for w in step.model.trainable_weights if id(w) not in left_out]
    assert normalizations and len(penalized) > 6
    (batch,) = batches(1)
    expected = 0.01 * sum((weight**2).sum() for weight in penalized)
    np.testing.assert_allclose(step(batch)["l2"], expected, rtol=1e-5)

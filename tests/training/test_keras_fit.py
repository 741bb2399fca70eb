"""Keras's own compile, fit, evaluate and export on our networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY_MGNET, build
from tests.training.test_step import make_step
from tnet_tf import LearningConfig, UserError
from tnet_tf.batch import Batch
from tnet_tf.config import TrainConfig
from tnet_tf.models.weights.names import variable_names

CLASSES = 4
SGD = TrainConfig(optimizer="sgd", learning_rate=0.05, momentum=0.0, train_steps=100)


@pytest.fixture(scope="module")
def data():
    """16 images whose brightness tells their class, and the classes."""
    random = np.random.default_rng(0)
    labels = np.arange(16) % CLASSES
    images = random.normal(0, 0.1, (16, 48, 64, 3)) + labels[:, None, None, None] / 2 - 0.75
    return np.clip(images, -1, 1).astype(np.float32), labels.astype(np.int64)


def batches(data, size=8, **parts):
    return tf.data.Dataset.from_tensor_slices((*data, *parts.values())).batch(size)


def network(optimizer=None, changes=None, **compiling):
    keras.utils.set_random_seed(0)
    model = build(**(changes or {"normalization": "per_level"}))
    model.compile(optimizer or keras.optimizers.SGD(0.05), **compiling)
    return model


def weights(model):
    return {name: variable.numpy() for name, variable in variable_names(model).items()}


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], err_msg=name, **tolerance)


def test_fit_takes_the_steps_of_the_training_command(data):
    step = make_step(SGD, dropout=0.3)
    losses = [step(Batch.of(i, tf.cast(t, tf.int32)))["loss"].numpy() for i, t in batches(data)]
    model = network(changes={"normalization": "per_level", "dropout": 0.3})
    history = model.fit(shuffle=False, x=batches(data), verbose=0).history
    assert history["loss"] == [pytest.approx(np.mean(losses), rel=1e-5)]
    assert_same(weights(model), weights(step.model), atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [{"model": "tnet"}, {"model": "feedforward"}, {"config": TINY_MGNET}],
    ids=["tnet", "feedforward", "mgnet"],
)
def test_networks_learn_by_fit(data, model):
    model = network(keras.optimizers.Adam(3e-3), model)
    history = model.fit(
        shuffle=False, x=batches(data), epochs=8, validation_data=batches(data), verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) == {
        f"{when}{name}" for when in ("", "val_") for name in ("loss", "reward", "accuracy")
    }


def test_evaluate_measures_what_a_pass_by_hand_does(data):
    model = network(metrics=["accuracy", "sparse_categorical_crossentropy"])
    result = model.evaluate(batches(data), return_dict=True, verbose=0)
    logits = model(data[0]).logits.numpy().astype(np.float64)
    assert result["accuracy"] == pytest.approx(np.mean(logits.argmax(1) == data[1]))
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -log_probabilities[np.arange(16), data[1]].mean()
    assert result["sparse_categorical_crossentropy"] == pytest.approx(expected, rel=1e-4)


def test_class_weights_weigh_the_images_of_their_class(data):
    by_class = {0: 0.0, 1: 0.5, 2: 1.0, 3: 3.0}
    of_images = np.array([by_class[label] for label in data[1]], np.float32)
    unweighted, one, other = network(), network(), network()
    unweighted.fit(shuffle=False, x=batches(data), verbose=0)
    one.fit(shuffle=False, x=batches(data), class_weight=by_class, verbose=0)
    other.fit(shuffle=False, x=batches(data, weights=of_images), verbose=0)
    assert_same(weights(one), weights(other), atol=1e-6)
    moved = [np.abs(weights(one)[n] - value).max() for n, value in weights(unweighted).items()]
    assert max(moved) > 1e-4


def test_one_hot_labels_and_columns_are_labels_too(data):
    images, labels = data
    plain = network().fit(images, labels, shuffle=False, verbose=0).history
    for other in (np.eye(CLASSES, dtype=np.float32)[labels], labels[:, np.newaxis]):
        assert network().fit(images, other, shuffle=False, verbose=0).history == plain


def test_labels_may_change_their_form_between_calls(data):
    images, labels = data
    forms = [labels, np.eye(CLASSES, dtype=np.float32)[labels], labels[:, np.newaxis]]
    model, plain = (network(changes={"model": "feedforward"}) for _ in range(2))
    for form in (*forms, labels):
        history = model.fit(images, form, shuffle=False, verbose=0).history
        assert history == plain.fit(images, labels, shuffle=False, verbose=0).history
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"one-hot rows \(n, 4\); their shape"):
        model.fit(images, np.zeros((16, 5)), verbose=0)


def test_class_weights_of_the_rule_are_those_of_fit(data):
    by_class = {0: 0.5, 1: 2.0, 2: 1.0, 3: 3.0}
    learning = LearningConfig(class_weights=",".join(map(str, by_class.values())))
    plain = {"changes": {"model": "feedforward"}}
    one, other = network(learning=learning, **plain), network(**plain)
    one.fit(shuffle=False, x=batches(data), verbose=0)
    other.fit(shuffle=False, x=batches(data), class_weight=by_class, verbose=0)
    assert_same(weights(one), weights(other), atol=1e-6)


def test_callbacks_see_metrics_and_save_what_goes_on(data, tmp_path):
    learning = LearningConfig(lambda_c=0.5)
    model = network(keras.optimizers.Adam(1e-3), learning=learning, metrics=["accuracy"], seed=3)
    path = tmp_path / "model.keras"
    callbacks = [
        keras.callbacks.ModelCheckpoint(path),
        keras.callbacks.EarlyStopping("val_accuracy", patience=1, min_delta=1.0),
    ]
    history = model.fit(
        shuffle=False,
        x=batches(data),
        epochs=5,
        validation_data=batches(data),
        callbacks=callbacks,
        verbose=0,
    ).history
    assert len(history["loss"]) == 2
    loaded = keras.saving.load_model(path)
    assert loaded.evaluate(batches(data), verbose=0) == model.evaluate(batches(data), verbose=0)
    # Optimiser, rule and baseline came along: both go on alike.
    for each in (model, loaded):
        each.fit(shuffle=False, x=batches(data), verbose=0)
    assert_same(weights(loaded), weights(model), atol=1e-6)


def test_fit_works_on_several_devices(data):
    from tnet_tf.training.devices import make_strategy

    alone = network(changes={"model": "feedforward"})
    alone.fit(shuffle=False, x=batches(data), verbose=0)
    with make_strategy(2).scope():
        model = network(changes={"model": "feedforward"})
    model.fit(shuffle=False, x=batches(data), verbose=0)
    assert_same(weights(model), weights(alone), atol=1e-5)


@pytest.mark.parametrize(
    ("compiling", "message"),
    [
        ({"loss": "sparse_categorical_crossentropy"}, "loss=.* its learning rule"),
        ({"weighted_metrics": ["accuracy"]}, "weighted_metrics=.* can't be given"),
        (
            {"learning": LearningConfig(rule="joint_classifiers")},
            "TNet learns by the rule reinforce, not by joint_classifiers",
        ),
        (
            {"learning": LearningConfig(class_weights="balanced")},
            "class_weights='balanced' needs the labels of all .* give fit their class_weight",
        ),
        (
            {"learning": LearningConfig(class_weights="1,2")},
            "--class_weights has 2 numbers, but the network knows 4 classes",
        ),
    ],
)
def test_what_can_not_be_compiled_is_said(compiling, message):
    with pytest.raises(UserError, match=message):
        build().compile("adam", **compiling)


def test_labels_of_no_use_are_said(data):
    images, _ = data
    with pytest.raises(UserError, match="need labels"):
        network().fit(images, verbose=0)
    with pytest.raises(UserError, match=r"one-hot rows \(n, 4\); their shape is \((None|16), 3\)"):
        network().fit(images, np.zeros((16, 3)), verbose=0)


def test_export_writes_what_serves(data, tmp_path):
    model = build()
    model.export(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "export")).signatures["float_images"]
    logits = served(images=tf.constant(data[0]))["logits"]
    np.testing.assert_allclose(logits, model(data[0]).logits, atol=1e-5)
    with pytest.raises(UserError, match=r"format='onnx'.*tnet_tf\.export --format"):
        model.export(tmp_path / "model.onnx", format="onnx")

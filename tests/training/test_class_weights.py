import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from tests.networks import build, shallow
from tests.training.runs import short_run
from tests.training.test_step import batches, make_step
from tnet_tf.config import LearningConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.learning.learning_rule import learning_rule
from tnet_tf.training.class_weights import balanced, class_weights
from tnet_tf.training.objective import Objective

LABELS = np.array([0, 0, 0, 0, 0, 2, 2, 3, 3, 3])


@pytest.fixture
def dataset(data_dir):
    return catalog.open_dataset(short_run(data_dir, "--train_split=train[:50]").data)


def test_balanced_weights_are_scikit_learn_s():
    present = np.unique(LABELS)
    theirs = compute_class_weight("balanced", classes=present, y=LABELS)
    ours = balanced(np.bincount(LABELS, minlength=6))
    np.testing.assert_allclose(np.array(ours)[present], theirs, rtol=1e-6)
    # Classes without images do not change what the others weigh.
    assert [ours[absent] for absent in (1, 4, 5)] == [0, 0, 0]


def test_balanced_weights_are_those_of_the_training_split(dataset):
    labels = [
        int(dataset.parse(record)[1])
        for shard in dataset.shards("train[:50]")
        for record in tf.data.TFRecordDataset(shard.path).skip(shard.skip).take(shard.take)
    ]
    counts = np.bincount(labels, minlength=10)
    np.testing.assert_array_equal(pipeline.class_counts(dataset, "train[:50]"), counts)
    found = class_weights(LearningConfig(class_weights="balanced"), dataset)
    np.testing.assert_allclose(found, balanced(counts))
    assert np.dot(found, counts) == pytest.approx(50)


def test_given_weights_are_one_for_each_class(dataset):
    ten = LearningConfig(class_weights="1,2,3,4,5,6,7,8,9,0.5")
    assert class_weights(ten, dataset) == (1, 2, 3, 4, 5, 6, 7, 8, 9, 0.5)
    assert class_weights(LearningConfig(), dataset) == ()
    message = r"--class_weights has 2 numbers, but digit_scenes/96x64 has 10 classes \(0 .. 9\)"
    with pytest.raises(UserError, match=message):
        class_weights(LearningConfig(class_weights="1,2"), dataset)


def test_a_step_takes_the_weights_that_its_settings_give():
    (batch,) = batches(1)
    weights = (0.5, 2.0, 1.0, 3.0)
    given = LearningConfig(class_weights=",".join(map(str, weights)))
    step = make_step(learning=given, make_network=shallow)
    assert step.objective.class_weights == weights
    plain = make_step(make_network=shallow)
    assert float(step(batch)["loss"]) != pytest.approx(float(plain(batch)["loss"]), rel=1e-3)
    for other, message in (("1,2", "has 2 numbers"), ("balanced", "needs the labels of all")):
        with pytest.raises(UserError, match=message):
            make_step(learning=LearningConfig(class_weights=other), make_network=shallow)


@pytest.mark.parametrize("rule", ["reinforce", "joint_classifiers"])
def test_the_loss_is_the_mean_of_the_images_losses_times_their_class_s_weights(rule):
    outputs = build(model="feedforward")(tf.random.uniform((5, 40, 40, 3)))
    labels, per_class = np.array([3, 1, 1, 0, 2]), (0.5, 2.0, 1.0, 3.0)
    rule = learning_rule(LearningConfig(rule=rule))
    log_p = np.float64(tf.nn.log_softmax(outputs.logits))
    per_image = np.take(per_class, labels)
    losses = -log_p[np.arange(5), labels]

    def loss(objective, image_weights=None):
        terms, _ = objective(outputs, tf.constant(labels), image_weights)
        return sum(terms.values())

    weighted = Objective(rule, [], per_class)
    np.testing.assert_allclose(loss(weighted), (per_image * losses).mean(), rtol=1e-5)
    own = np.array([1, 0, 2, 1, 0.5])
    np.testing.assert_allclose(
        loss(weighted, tf.constant(own, tf.float32)), (own * per_image * losses).mean(), rtol=1e-5
    )
    np.testing.assert_allclose(
        loss(Objective(rule, []), tf.constant(own, tf.float32)),
        (own * losses).mean(),
        rtol=1e-5,
    )

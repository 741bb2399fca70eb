"""What Keras's `compile`, `fit` and `evaluate` do with our networks: learn by their own rule."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from tnet_tf.config import LearningConfig
from tnet_tf.errors import UserError
from tnet_tf.layers import checks
from tnet_tf.layers.randomness import keyed_randomness
from tnet_tf.models.classifier import Classifier
from tnet_tf.models.keras_methods import KerasMethods
from tnet_tf.training.class_weights import given_weights
from tnet_tf.training.objective import Objective
from tnet_tf.training.rule_of_network import rule_of, trained_weights


class KerasFit:
    """A compiled network's way of learning: its rule, with the rule's state, and its objective.

    Args:
      model: the network; it has the optimiser and the metrics.
      learning: settings of the learning rule; None: the network's own rule with its defaults.
      seed: of the randomness inside the network.
    """

    def __init__(
        self,
        model: Classifier,
        learning: LearningConfig | None = None,
        seed: int = 0,
    ):
        self.model, self.seed = model, seed
        self.learning = learning or LearningConfig(rule=model.rules[0])
        self.rule = rule_of(model, self.learning)
        self.learning.check()
        weights = given_weights(self.learning, model.classes)
        self.objective = Objective(self.rule, self.trained, weights)
        self.reward = keras.metrics.Mean("reward")

    @property
    def trained(self) -> list[keras.Variable]:
        """The weights that learn, those that Keras's optimiser has state of."""
        return list(trained_weights(self.model, self.rule).values())

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Learns from a batch; on a strategy, from this replica's share of it.

        Args:
          data: images, labels and perhaps weights of the images, as `fit` passes them.

        Returns:
          The metrics so far in this epoch.
        """
        images, labels, weights = self._parts(data)
        replicas, optimizer = tf.distribute.get_replica_context(), self.model.optimizer
        fold_in = tf.random.experimental.stateless_fold_in
        step_key = fold_in((self.seed, 0), tf.cast(optimizer.iterations.value, tf.int64))
        key = fold_in(step_key, replicas.replica_id_in_sync_group)
        samples = self.learning.monte_carlo_samples
        images, labels = tf.repeat(images, samples, 0), tf.repeat(labels, samples, 0)
        weights = None if weights is None else tf.repeat(weights, samples, 0)
        with tf.GradientTape() as tape, keyed_randomness(key):
            outputs = self.model(images, training=True)
            terms, reward = self.objective(outputs, labels, weights)
            loss = tf.add_n(list(terms.values()))
            # Gradients are summed over replicas, so each contributes its share of the mean.
            scaled = optimizer.scale_loss(loss / replicas.num_replicas_in_sync)
        variables = self.trained
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        pairs = zip(gradients, variables, strict=True)
        optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])
        self.rule.update(reward)
        return self._record(outputs.logits, labels, weights, loss, reward)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures a batch without learning from it: the same loss, without noise; metrics."""
        images, labels, weights = self._parts(data)
        outputs = self.model(images, training=False)
        terms, reward = self.objective(outputs, labels, weights)
        loss = tf.add_n(list(terms.values()))
        return self._record(outputs.logits, labels, weights, loss, reward)

    def _parts(self, data: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Images, labels (n,) int32 and weights (n,) float32 or None."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        if labels is None:
            raise UserError("fit and evaluate need labels: give batches of (images, labels)")
        classes = self.model.classes
        return images, _class_numbers(labels, tf.shape(images)[0], classes), weights

    def _record(
        self,
        logits: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor | None,
        loss: tf.Tensor,
        reward: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        means = {"loss": loss, "reward": reward}
        for metric in self.model.metrics:
            if metric.name in means:
                metric.update_state(means[metric.name], sample_weight=tf.shape(labels)[0])
            else:
                metric.update_state(labels, tf.nn.softmax(logits), sample_weight=weights)
        return self.model.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments and the rule's state, as JSON holds them."""
        state = {name: variable.numpy().tolist() for name, variable in self.rule.state.items()}
        return {"learning": dataclasses.asdict(self.learning), "seed": self.seed, **state}

    @classmethod
    def from_config(cls, model: Classifier, config: dict[str, Any]) -> "KerasFit":
        """What `get_config` describes, for a network just loaded."""
        fitting = cls(model, LearningConfig(**config["learning"]), config["seed"])
        for name, variable in fitting.rule.state.items():
            variable.assign(config[name])
        return fitting


def _class_numbers(labels: tf.Tensor, count: tf.Tensor, classes: int) -> tf.Tensor:
    """Labels as numbers (n,) int32, of class numbers (n,) or (n, 1) or of one-hot rows.

    Raises:
      UserError: when they are neither; where that shows only as the graph runs, TensorFlow's error.
    """
    expected = f"labels must be class numbers (n,) or one-hot rows (n, {classes}); their shape is"
    rank = labels.shape.rank
    if rank == 1:
        return tf.cast(labels, tf.int32)
    if rank is not None and (rank != 2 or labels.shape[1] not in (1, classes, None)):
        raise UserError(f"{expected} {tuple(labels.shape)}")
    # Keras leaves the shape open once `fit` was given labels of another one.
    columns = tf.reshape(labels, (count, -1))
    width = tf.shape(columns)[1]
    fits = (width == 1) | (width == classes)
    columns = checks.guarded(columns, fits, expected, tf.shape(labels))
    return tf.cond(
        width == 1,
        lambda: tf.cast(columns[:, 0], tf.int32),
        lambda: tf.argmax(columns, axis=1, output_type=tf.int32),
    )


KerasMethods.fitting = KerasFit

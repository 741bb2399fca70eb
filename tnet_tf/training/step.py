"""The compiled training step: updates weights, optimisers, the rule's state; returns metrics."""

from collections.abc import Collection, Sequence
from typing import Any

import keras
import tensorflow as tf

from tnet_tf.batch import Batch
from tnet_tf.config import Config
from tnet_tf.layers.randomness import keyed_randomness
from tnet_tf.learning.cross_entropy import reward
from tnet_tf.learning.learning_rule import LearningRule
from tnet_tf.models.classifier import Classifier
from tnet_tf.training.class_weights import given_weights
from tnet_tf.training.gradients import Gradients, LossScale, all_finite, clip_by_global_norm
from tnet_tf.training.objective import Objective
from tnet_tf.training.optimizers import LayerGroup, make_groups
from tnet_tf.training.rule_of_network import rule_of, trained_weights
from tnet_tf.training.weight_average import WeightAverage

Metrics = dict[str, tf.Tensor]


class TrainStep:
    """One update by the learning rule, on one device or on all replicas of a strategy.

    The randomness of step s is a function of (seed, s, replica) alone.

    Args:
      model: takes (images, training=True), returns `Outputs`.
      groups: weights and their optimisers.
      rule: the learning rule, with its state.
      seed: of all randomness inside the model.
      class_weights: see `Objective`.
      gradient_clip: the norm that the gradients of all weights together may have; 0: any.
      average: of the weights, moved after every step.
      loss_scale: for models that compute in float16.

    Attributes:
      step: int64 variable, the steps done.
    """

    def __init__(
        self,
        model: keras.Model,
        groups: Sequence[LayerGroup],
        rule: LearningRule,
        seed: int,
        class_weights: Sequence[float] = (),
        gradient_clip: float = 0.0,
        average: WeightAverage | None = None,
        loss_scale: LossScale | None = None,
    ):
        self.model, self.groups, self.rule, self.seed = model, groups, rule, seed
        self.gradient_clip, self.average, self.loss_scale = gradient_clip, average, loss_scale
        self.variables = [variable for group in groups for variable in group.variables]
        self.objective = Objective(rule, self.variables, class_weights)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.strategy = tf.distribute.get_strategy()

    @tf.function(reduce_retracing=True)
    def __call__(self, batch: Batch) -> Metrics:
        """Learns from one global batch.

        Returns:
          Scalars, means over replicas: `loss` and its terms, `reward`, the rule's state such as
          `baseline`, `learning_rate_<group>`; and `accuracy_by_locations` (L + 1,). With clipping,
          too, the `gradient_norm` before it; in float16 the `loss_scale` of the next step, and
          `overflows`, above 0 where this step was left out.
        """
        rates = {
            f"learning_rate_{group.name}": tf.convert_to_tensor(group.optimizer.learning_rate)
            for group in self.groups
        }
        replicas, gradients = self.strategy.run(self._replica_step, args=(batch,))
        mean = tf.distribute.ReduceOp.MEAN
        means = {key: self.strategy.reduce(mean, v, axis=None) for key, v in replicas.items()}
        self._update(gradients, means.get("overflows"))
        self.step.assign_add(1)
        if self.average is not None:
            self.average.update(self.step)
        if self.loss_scale is not None:
            means["loss_scale"] = tf.identity(self.loss_scale.value)
        state = {name: tf.identity(variable) for name, variable in self.rule.state.items()}
        return {**means, **state, **rates}

    def _replica_step(self, batch: Batch) -> tuple[Metrics, Gradients]:
        """What each replica learns from its share of the batch: metrics, and its gradients."""
        replicas = tf.distribute.get_replica_context()
        key = tf.random.experimental.stateless_fold_in(
            tf.random.experimental.stateless_fold_in((self.seed, 0), self.step),
            replicas.replica_id_in_sync_group,
        )
        samples = self.rule.config.monte_carlo_samples
        images, labels = (tf.repeat(part, samples, 0) for part in (batch.images, batch.labels))
        with tf.GradientTape() as tape, keyed_randomness(key):
            outputs = self.model(images, training=True)
            losses, mean_reward = self.objective(outputs, labels)
            loss = tf.add_n(list(losses.values()))
            # Gradients are summed over replicas, so each contributes its share of the mean.
            share = loss / replicas.num_replicas_in_sync
            if self.loss_scale is not None:
                share *= self.loss_scale.value
        gradients = tape.gradient(share, [variable.value for variable in self.variables])
        self.rule.update(mean_reward)
        by_count = reward(outputs.logits_by_count, labels[:, tf.newaxis])
        metrics = {
            "loss": loss,
            **losses,
            "reward": mean_reward,
            "accuracy_by_locations": tf.reduce_mean(by_count, axis=0),
        }
        return self._prepared(gradients, metrics)

    def _prepared(self, gradients: Gradients, metrics: Metrics) -> tuple[Metrics, Gradients]:
        """Gradients as the optimisers take them, and what is to be told of them."""
        if self.loss_scale is not None:
            gradients = self.loss_scale.unscale(gradients)
            overflows = tf.cast(~all_finite(gradients), tf.float32)
            metrics = {**metrics, "overflows": overflows}
        if self.gradient_clip:
            gradients, norm = clip_by_global_norm(gradients, self.gradient_clip)
            metrics = {**metrics, "gradient_norm": norm}
        return metrics, gradients

    def _update(self, gradients: Any, overflows: tf.Tensor | None) -> None:
        """Updates the weights; where gradients are not numbers, they stay as they are."""

        def apply() -> None:
            self.strategy.run(self._apply, args=(gradients,))

        if self.loss_scale is None or overflows is None:
            apply()
            return
        finite = overflows == 0
        tf.cond(finite, apply, lambda: None)
        self.loss_scale.update(finite)

    def _apply(self, gradients: Sequence[tf.Tensor | None]) -> None:
        rest = iter(gradients)
        for group in self.groups:
            pairs = [(next(rest), variable) for variable in group.variables]
            group.optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])


def make_train_step(
    model: Classifier,
    config: Config,
    steps: int,
    pretrained: Collection[str] = (),
    class_weights: Sequence[float] | None = None,
) -> TrainStep:
    """The step that the settings describe, with fresh state; in the scope of the run's strategy.

    Args:
      model: computes in `config.train.precision`.
      config: of its settings, those of `learning` and `train` are read.
      steps: of the whole run.
      pretrained: names of the weights that were loaded.
      class_weights: see `Objective`; None: those given in `config.learning`.

    Raises:
      UserError: when the network does not learn by `config.learning.rule`, or the settings' weights
        of classes are not one for each.
    """
    train, rule = config.train, rule_of(model, config.learning)
    if class_weights is None:
        class_weights = given_weights(config.learning, model.classes)
    decay = train.weight_average
    return TrainStep(
        model,
        make_groups(trained_weights(model, rule), pretrained, steps, train),
        rule,
        train.seed,
        class_weights,
        train.gradient_clip,
        WeightAverage(model, decay, train.precision) if decay else None,
        LossScale() if train.precision == "float16" else None,
    )

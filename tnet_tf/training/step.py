"""The compiled training step: updates weights, optimisers and baseline, returns metrics, no I/O."""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

from tnet_tf.config import LearningConfig
from tnet_tf.layers.randomness import keyed_randomness
from tnet_tf.learning.baseline import RewardBaseline
from tnet_tf.learning.contrastive import contrastive_loss
from tnet_tf.learning.cross_entropy import reward
from tnet_tf.learning.joint_classifiers import joint_classifiers
from tnet_tf.learning.regularization import sum_of_squares
from tnet_tf.learning.reinforce import learning_rule
from tnet_tf.outputs import Outputs
from tnet_tf.training.optimizers import LayerGroup

Metrics = dict[str, tf.Tensor]


class Batch(Protocol):
    """What the step reads of a batch: images (n, H, W, 3) in [-1, 1] and labels (n,) int32."""

    image: tf.Tensor
    label: tf.Tensor


class TrainStep:
    """One update by the learning rule, on one device or on all replicas of a strategy.

    The randomness of step s is a function of (seed, s, replica) alone.

    Args:
      model: takes (images, training=True), returns `Outputs`.
      groups: weights and their optimisers.
      baseline: of the reward.
      step: int64 variable that counts the steps done.
      config: of the learning rule.
      seed: of all randomness inside the model.
    """

    def __init__(
        self,
        model: keras.Model,
        groups: Sequence[LayerGroup],
        baseline: RewardBaseline,
        step: tf.Variable,
        config: LearningConfig,
        seed: int,
    ):
        self.model, self.groups, self.baseline = model, groups, baseline
        self.step, self.config, self.seed = step, config, seed
        self.variables = [variable for group in groups for variable in group.variables]
        self.strategy = tf.distribute.get_strategy()

    @tf.function(reduce_retracing=True)
    def __call__(self, batch: Batch) -> Metrics:
        """Learns from one global batch.

        Returns:
          Scalars, means over replicas: `loss` and its terms, `reward`, `baseline`,
          `learning_rate_<group>`; and `accuracy_by_locations` (L + 1,).
        """
        rates = {
            f"learning_rate_{group.name}": tf.convert_to_tensor(group.optimizer.learning_rate)
            for group in self.groups
        }
        replicas = self.strategy.run(self._replica_step, args=(batch,))
        self.step.assign_add(1)
        mean = tf.distribute.ReduceOp.MEAN
        means = {key: self.strategy.reduce(mean, v, axis=None) for key, v in replicas.items()}
        return {**means, "baseline": tf.identity(self.baseline.value), **rates}

    def _replica_step(self, batch: Batch) -> Metrics:
        """What each replica does with its share of the batch."""
        replicas = tf.distribute.get_replica_context()
        key = tf.random.experimental.stateless_fold_in(
            tf.random.experimental.stateless_fold_in((self.seed, 0), self.step),
            replicas.replica_id_in_sync_group,
        )
        samples = self.config.monte_carlo_samples
        images, labels = (tf.repeat(part, samples, 0) for part in (batch.image, batch.label))
        with tf.GradientTape() as tape, keyed_randomness(key):
            outputs = self.model(images, training=True)
            terms, mean_reward = self._loss_terms(outputs, labels)
            losses = {**terms._asdict(), **self._penalties(outputs.features, labels, replicas)}
            loss = tf.add_n(list(losses.values()))
            # Gradients are summed over replicas, so each contributes its share of the mean.
            share = loss / replicas.num_replicas_in_sync
        gradients = tape.gradient(share, [variable.value for variable in self.variables])
        self._apply(gradients)
        self.baseline.update(mean_reward)
        by_count = reward(outputs.logits_by_count, labels[:, tf.newaxis])
        return {
            "loss": loss,
            **losses,
            "reward": mean_reward,
            "accuracy_by_locations": tf.reduce_mean(by_count, axis=0),
        }

    def _loss_terms(self, outputs: Outputs, labels: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """The terms of the learning rule, and the mean reward."""
        if self.config.rule == "joint_classifiers":
            return joint_classifiers(outputs, labels, self.config)
        return learning_rule(outputs, labels, self.baseline.value, self.config)

    def _penalties(self, features: tf.Tensor, labels: tf.Tensor, replicas: Any) -> Metrics:
        """The weighted terms besides the learning rule's that are switched on."""
        penalties = {}
        if self.config.l2_weight:
            weights = [v for v in self.variables if "normalization" not in v.path.split("/")]
            penalties["l2"] = self.config.l2_weight * sum_of_squares(weights)
        if self.config.lambda_con:
            features, labels = _of_all_replicas(replicas, features, labels)
            contrastive = contrastive_loss(features, labels, self.config.alpha)
            penalties["contrastive"] = self.config.lambda_con * contrastive
        return penalties

    def _apply(self, gradients: Sequence[tf.Tensor | None]) -> None:
        rest = iter(gradients)
        for group in self.groups:
            pairs = [(next(rest), variable) for variable in group.variables]
            group.optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])


def _of_all_replicas(replicas: Any, *parts: tf.Tensor) -> list[tf.Tensor]:
    """Concatenates (n, ..) tensors of all replicas, with gradients.

    As a sum of parts that are padded to their place: TensorFlow's own gathering refuses the virtual
    devices of one CPU.
    """
    count, own = replicas.num_replicas_in_sync, replicas.replica_id_in_sync_group
    if count == 1:
        return list(parts)
    gathered = []
    for part in parts:
        place = tf.one_hot(own, count, dtype=part.dtype)
        padded = tf.reshape(place, (-1, *[1] * len(part.shape))) * part[tf.newaxis]
        total = replicas.all_reduce(tf.distribute.ReduceOp.SUM, padded)
        gathered.append(tf.reshape(total, (-1, *part.shape[1:])))
    return gathered

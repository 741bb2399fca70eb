"""What training minimises: the learning rule's terms and the penalties beside them."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tnet_tf.learning.contrastive import contrastive_loss
from tnet_tf.learning.learning_rule import LearningRule
from tnet_tf.learning.regularization import sum_of_squares
from tnet_tf.outputs import Outputs


class Objective:
    """The loss of a batch, term by term.

    Args:
      rule: the learning rule; its settings have the penalties' weights, too.
      variables: the weights that are trained; those outside of BatchNorm are regularised.
      class_weights: what the cross-entropies of each class's images are multiplied by, a number for
        each class; empty: 1. REINFORCE terms, rewards and penalties stay as they are.
    """

    def __init__(
        self,
        rule: LearningRule,
        variables: Sequence[keras.Variable],
        class_weights: Sequence[float] = (),
    ):
        self.rule, self.variables = rule, variables
        self.class_weights = tuple(class_weights)

    def __call__(
        self,
        outputs: Outputs,
        labels: tf.Tensor,
        image_weights: tf.Tensor | None = None,
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Terms whose sum is the loss; to be called for each replica, with its share of the batch.

        Args:
          outputs: of n images.
          labels: (n,) int32.
          image_weights: (n,), what each image's cross-entropies are multiplied by, besides its
            class's weight; None: 1.

        Returns:
          The terms by name, scalars, means over this replica's images; and the mean reward.
        """
        if self.class_weights:
            of_classes = tf.gather(tf.constant(self.class_weights, tf.float32), labels)
            image_weights = of_classes if image_weights is None else of_classes * image_weights
        terms, mean_reward = self.rule.terms(outputs, labels, image_weights)
        return {**terms._asdict(), **self._penalties(outputs.features, labels)}, mean_reward

    def _penalties(self, features: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """The weighted terms besides the learning rule's that are switched on."""
        penalties, config = {}, self.rule.config
        if config.l2_weight:
            weights = [v for v in self.variables if "normalization" not in v.path.split("/")]
            penalties["l2"] = config.l2_weight * sum_of_squares(weights)
        if config.lambda_con:
            features, labels = _of_all_replicas(features, labels)
            contrastive = contrastive_loss(features, labels, config.alpha)
            penalties["contrastive"] = config.lambda_con * contrastive
        return penalties


def _of_all_replicas(*parts: tf.Tensor) -> list[tf.Tensor]:
    """Concatenates (n, ..) tensors of all replicas, with gradients.

    As a sum of parts that are padded to their place: TensorFlow's own gathering refuses the virtual
    devices of one CPU.
    """
    replicas = tf.distribute.get_replica_context()
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

"""The moving average of the reward that lowers the variance of REINFORCE (paper eq. 2)."""

import tensorflow as tf

INITIAL, DECAY = 0.5, 0.9


class RewardBaseline(tf.Module):
    """b <- 0.9 b + 0.1 * mean reward, once per batch; starts at 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.value = tf.Variable(
            INITIAL,
            trainable=False,
            aggregation=tf.VariableAggregation.MEAN,
            name="reward_baseline",
        )

    def update(self, mean_reward: tf.Tensor) -> None:
        """Moves b towards the batch's mean reward, averaged over replicas.

        Args:
          mean_reward: scalar in [0, 1], this replica's.
        """
        self.value.assign(DECAY * self.value + (1 - DECAY) * mean_reward)

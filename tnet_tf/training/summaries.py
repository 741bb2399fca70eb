"""What a run shows in TensorBoard: loss terms, rewards, accuracies, rates and attended regions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tnet_tf.evaluation.figures import attended_image
from tnet_tf.evaluation.results import BY_LOCATIONS, Curve


class Summaries:
    """Writes what TensorBoard shows of a run.

    Args:
      folder: to write to.
    """

    def __init__(self, folder: Path):
        self.writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, prefix: str, values: Mapping[str, Any], step: int) -> None:
        """Writes numbers; a curve `x_by_locations` becomes `x/0`, `x/1`, .. by locations.

        Args:
          prefix: 'train' or 'validation'.
          values: numbers or curves by name.
          step: training steps done.
        """
        with self.writer.as_default(step=step):
            for name, value in values.items():
                tag = f"{prefix}/{name.removesuffix(BY_LOCATIONS)}"
                if isinstance(value, Curve):
                    for count, number in zip(value.counts, value.values, strict=True):
                        tf.summary.scalar(f"{tag}/{count}", number)
                else:
                    tf.summary.scalar(tag, value)

    def attended(self, model: Callable[..., Any], images: tf.Tensor, step: int) -> None:
        """Writes pictures of where the model looks.

        Args:
          model: the network.
          images: (n, H, W, 3) float32 in [-1, 1].
          step: training steps done.
        """
        boxes = model(images).boxes
        with self.writer.as_default(step=step):
            pictures = attended_image(images, boxes)
            tf.summary.image("attended regions", pictures, max_outputs=len(images))

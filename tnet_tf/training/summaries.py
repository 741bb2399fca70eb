"""What a run shows in TensorBoard: loss terms, rewards, accuracies, rates and attended regions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tnet_tf.evaluation.figures import attended_image


class Summaries:
    """Writes what TensorBoard shows of a run.

    Args:
      folder: to write to.
    """

    def __init__(self, folder: Path):
        self.writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, prefix: str, values: Mapping[str, Any], step: int) -> None:
        """Writes numbers; a vector `x_by_locations` becomes `x/0`, `x/1`, .. by locations.

        `x_attended_only_by_locations` starts at one location.

        Args:
          prefix: 'train' or 'validation'.
          values: scalars or vectors by name.
          step: training steps done.
        """
        with self.writer.as_default(step=step):
            for name, value in values.items():
                tag = f"{prefix}/{name.removesuffix('_by_locations')}"
                first = 1 if name.endswith("attended_only_by_locations") else 0
                for locations, number in enumerate(np.ravel(value), start=first):
                    part = f"/{locations}" if np.ndim(value) else ""
                    tf.summary.scalar(tag + part, number)

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

"""Gazes that nobody learned, to hold a learned one against: random places, and central ones."""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from tnet_tf.layers.grid import ImageSize, Regions

_SEED = 0


class Gaze(Protocol):
    """Decides for one batch of n images where a network looks, in place of the network itself."""

    def scores(self, candidates: Regions, size: ImageSize, level: int) -> tf.Tensor:
        """How much each candidate is preferred; of every grid the highest scores are attended.

        Args:
          candidates: all cells of all grids of a level, image-major.
          size: height and width of the images.
          level: the level that looks at them: 2, 3, ..

        Returns:
          (candidates,) float32.
        """

    def shares(self, location: int) -> tf.Tensor:
        """Where a region lies among all that are possible (MGNet paper, 3.3).

        Args:
          location: its number, from 1.

        Returns:
          (n, 3) float32 in [0, 1], of (scale, x, y) between their least and greatest values.
        """


class RandomGaze:
    """Every place is as probable as any other; none of a grid is attended twice.

    What is drawn depends on the seed and an image's number alone, not on its batch.

    Args:
      numbers: (n,) int32, of the images.
      seed: decides, with the number, where to look.
    """

    def __init__(self, numbers: tf.Tensor, seed: int = _SEED):
        self._numbers, self._seed = numbers, seed

    def scores(self, candidates: Regions, size: ImageSize, level: int) -> tf.Tensor:
        """See `Gaze`."""
        per_image = tf.size(candidates.image) // tf.size(self._numbers)
        return tf.reshape(self._uniform(level, per_image), (-1,))

    def shares(self, location: int) -> tf.Tensor:
        """See `Gaze`."""
        return tf.ensure_shape(self._uniform(location, 3), (None, 3))

    def _uniform(self, choice: int, count: int | tf.Tensor) -> tf.Tensor:
        """(n, count) numbers in [0, 1)."""
        key = tf.random.fold_in(tf.constant([self._seed, 0]), choice)

        def of_image(number: tf.Tensor) -> tf.Tensor:
            return tf.random.stateless_uniform((count,), tf.random.fold_in(key, number))

        return tf.map_fn(of_image, self._numbers, fn_output_signature=tf.float32)


class CentralGaze:
    """Always the middle: the cells nearest the image's centre, and central regions of mean scale.

    Cells equally near are taken in raster order.

    Args:
      numbers: (n,) int32, of the images.
    """

    def __init__(self, numbers: tf.Tensor):
        self._count = tf.size(numbers)

    def scores(self, candidates: Regions, size: ImageSize, level: int) -> tf.Tensor:
        """See `Gaze`."""
        height, width = size
        # Twice the distances, which are whole numbers: what is equally near stays equal.
        down = 2 * candidates.top + candidates.height - height
        right = 2 * candidates.left + candidates.width - width
        return -(tf.cast(down, tf.float32) ** 2 + tf.cast(right, tf.float32) ** 2)

    def shares(self, location: int) -> tf.Tensor:
        """See `Gaze`."""
        return tf.fill((self._count, 3), 0.5)


# By name, from the numbers of a batch's images.
GAZES: dict[str, Callable[[tf.Tensor], Gaze]] = {"random": RandomGaze, "central": CentralGaze}

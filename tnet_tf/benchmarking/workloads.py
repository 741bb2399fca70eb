"""The work whose cost benchmark measures: a prediction, a training step, reading a batch."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.batch import Batch
from tnet_tf.config import Config
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.models.factory import build_model
from tnet_tf.models.precision import computing_in
from tnet_tf.training.step import make_train_step

Work = Callable[[], object]
REFERENCE_BATCH = 8

# Bounds of weights that are 0 or 1 in a fresh network and never in a trained one, by names' starts.
_RANDOM = {
    "bias": (-0.1, 0.1),
    "beta": (-0.1, 0.1),
    "moving_mean": (-0.1, 0.1),
    "gamma": (0.8, 1.2),
    "moving_variance": (0.8, 1.2),
}


def build_network(config: Config, classes: int) -> keras.Model:
    """The network that the settings describe, computing in --precision, see `randomize`."""
    with computing_in(config.train.precision):
        model = build_model(config.model, classes)
    randomize(model, config.train.seed)
    return model


def randomize(model: keras.Model, seed: int) -> None:
    """Gives biases and BatchNorm's weights and statistics random values, as if trained.

    Where weights are constants, TensorFlow deletes shifts of 0 and scales of 1, and then does not
    fuse what is left: a fresh network would take another time than a trained one.

    Args:
      model: a network with fresh weights.
      seed: of the values.
    """
    random = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.path.rsplit("/", 1)[-1]
        for start, bounds in _RANDOM.items():
            if name.startswith(start):  # Sets of weights per level end in its number.
                weight.assign(random.uniform(*bounds, weight.shape))


def prediction(model: keras.Model, config: Config, locations: tuple[int, ...]) -> Work:
    """A compiled prediction for one batch of random uint8 images of --image_size.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`.
      config: `data.image_size` and `train.batch_size` (n).
      locations: attended per grid, one number for each level after the first.

    Returns:
      Computes the logits (n, classes) and attended cells, and returns when they are there.
    """
    height, width = config.data.image_size
    images = pixels(config.train.batch_size, height, width)

    @tf.function
    def predict(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = model(images, locations=locations, training=False)
        return outputs.logits, outputs.cells

    compiled = predict.get_concrete_function(images)
    return lambda: [part.numpy() for part in compiled(images)]


def prediction_of_new_network(config: Config, classes: int, locations: tuple[int, ...]) -> Work:
    """`prediction` by a network with random weights."""
    return prediction(build_network(config, classes), config, locations)


def training_step(config: Config, classes: int) -> Work:
    """A training step of a network with random weights, on one batch of random images."""
    step = make_train_step(build_network(config, classes), config, steps=1, class_weights=())
    count = config.train.batch_size
    images = tf.random.stateless_uniform((count, *config.data.image_size, 3), (0, 0), -1, 1)
    batch = Batch.of(images, tf.range(count) % classes)
    return lambda: step(batch)["loss"].numpy()


def reading(config: Config) -> Work:
    """Reads and augments the next training batch from prepared records.

    Raises:
      UserError: when the dataset is not prepared.
    """
    dataset = catalog.open_dataset(config.data)
    train = config.train
    batches = iter(pipeline.training_batches(dataset, config.data, train.batch_size, train.seed))
    return lambda: next(batches)


def reference() -> Work:
    """A prediction by `keras.applications.EfficientNetB0` without its top, 224 px, float32.

    Of `REFERENCE_BATCH` images: a unit of time in which networks can be compared across machines.
    """
    network = keras.applications.EfficientNetB0(include_top=False, weights=None)
    images = tf.random.stateless_uniform((REFERENCE_BATCH, 224, 224, 3), (0, 0), 0, 255)
    predict = tf.function(lambda x: network(x, training=False))
    return lambda: predict(images).numpy()


def pixels(batch_size: int, height: int, width: int) -> tf.Tensor:
    """Random uint8 images (batch_size, height, width, 3), of gigabytes if need be."""
    tile = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    repeats = (batch_size, -(-height // 256), -(-width // 256), 1)
    return tf.tile(tile, repeats)[:, :height, :width]


def profile(folder: str, works: Sequence[Work]) -> None:
    """Records a few calls of each work, once they are compiled, for TensorBoard."""
    for work in works:
        work()
    with tf.profiler.experimental.Profile(folder):
        for work in works:
            for _ in range(3):
                work()

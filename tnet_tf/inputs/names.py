"""What images are called in their records, so that results can be traced back to files."""

from collections.abc import Iterator

import tensorflow as tf
import tensorflow_datasets as tfds

from tnet_tf.inputs import pipeline
from tnet_tf.inputs.dataset import Dataset

# Of folders, our own builders and TFDS datasets; the first that is there names the image.
_FEATURES = (
    "file",
    "file_name",
    "filename",
    "image/filename",
    "image/file_name",
    "id",
    "image_id",
    "image/id",
)


def name_feature(dataset: Dataset) -> str:
    """The feature of a dataset's records that names an image; empty where there is none."""
    return next((name for name in _FEATURES if name in dataset.builder.info.features), "")


def image_names(dataset: Dataset, split: str) -> Iterator[str]:
    """What every example of a split is called, in the order of evaluation.

    Examples that are regions of one image share its name. Nothing but names is parsed, and no more
    than a few of them are held in memory.

    Args:
      dataset: one with a `name_feature`.
      split: in TFDS syntax.
    """
    name = name_feature(dataset)
    features = tfds.features.FeaturesDict({name: dataset.builder.info.features[name]})

    def parse(record: tf.Tensor, *region: tf.Tensor) -> tf.Tensor:
        value = features.deserialize_example(record)[name]
        return value if value.dtype == tf.string else tf.strings.as_string(value)

    for value in pipeline.in_order(dataset, split).map(parse).as_numpy_iterator():
        # Names that are no UTF-8 stay told apart.
        yield value.decode(errors="backslashreplace")

"""Writes a network for serving: python -m tnet_tf.export --flagfile=experiments/demo.flags."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tnet_tf import command
from tnet_tf.config import Config
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.inputs.dataset import Dataset
from tnet_tf.layers.pixels import to_uint8
from tnet_tf.run import Run
from tnet_tf.serving import formats, saved_model
from tnet_tf.serving.agreement import Agreement, agreement
from tnet_tf.training.checkpoints import load_model


@command.named("export", of_run=True)
def main(config: Config) -> Agreement | None:
    """Writes a trained network so that it can be served without this package.

    The default is a SavedModel that needs nothing but TensorFlow and takes batches of any number of
    images of any size; tnet_tf/serving/saved_model.py has its signatures. --optimize=cpu makes it
    fast for processors, --format=litert, onnx or openvino writes for other runtimes. At the end the
    export runs on --check_images test images and its outputs are compared with the network's own.

    Example: python -m tnet_tf.export --flagfile=experiments/demo.flags --run_dir=runs/mine
    """
    config.check_model()
    config.export.check()
    form, settings = config.export.form, config.export
    formats.check_installed(form)
    needed = settings.check_images or settings.quantize
    dataset = catalog.open_dataset(config.data) if needed else None
    source = formats.Source(load_model(config), config.data.image_size)
    if dataset is not None and settings.quantize:
        source = source._replace(calibration=_calibration(config, dataset))
    folder = Path(settings.export_dir or Run(config.train.run_dir).export(form))
    formats.save(form, source, folder)
    precision = f", computing in {saved_model.cpu_precision()}" if form == "cpu" else ""
    print(f"written to {folder}{precision}")
    if dataset is None or not settings.check_images:
        return None
    with pipeline.record_errors(dataset):
        batches = _batches(config, dataset, dataset.test_split, settings.check_images)
        comparison = agreement(source.model, formats.load(form, folder), batches)
    print(
        f"on {comparison.compared} images of {dataset.name}: largest difference of a logit "
        f"{comparison.logit_difference:.2g}, same class {comparison.top1:.2%}, "
        f"same regions {comparison.regions:.2%}"
    )
    return comparison


def _calibration(config: Config, dataset: Dataset) -> list[np.ndarray]:
    """Batches of training images as uint8."""
    count = config.export.calibration_images
    with pipeline.record_errors(dataset):
        batches = _batches(config, dataset, dataset.train_split, count)
        return [to_uint8(batch.images)[np.asarray(batch.mask) > 0] for batch in batches]


def _batches(config: Config, dataset: Dataset, split: str, count: int) -> tf.data.Dataset:
    """The first `count` images of a split, up to the end of a batch."""
    size = min(count, config.eval.eval_batch_size)
    return pipeline.evaluation_batches(dataset, split, config.data, size).take(-(-count // size))


if __name__ == "__main__":
    command.run(main)

"""Writes a network for serving: python -m tnet_tf.export --flagfile=experiments/demo.flags."""

from pathlib import Path

from tnet_tf import command
from tnet_tf.config import Config
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.serving import saved_model
from tnet_tf.training.checkpoints import load_model


def main(config: Config) -> saved_model.Agreement | None:
    """Writes a trained network as a SavedModel that needs nothing but TensorFlow.

    It takes batches of any number of images of any size; tnet_tf/serving/saved_model.py has its
    signatures. At the end its outputs are compared with the network's own on --check_images test
    images.

    Example: python -m tnet_tf.export --flagfile=experiments/demo.flags --run_dir=runs/mine
    """
    config.check_model()
    config.export.check()
    count = config.export.check_images
    dataset = catalog.open_dataset(config.data) if count else None
    model = load_model(config)
    folder = Path(config.export.export_dir or f"{config.train.run_dir}/export")
    saved_model.save(model, folder)
    print(f"written to {folder}")
    if dataset is None:
        return None
    size = min(count, config.eval.eval_batch_size)
    batches = pipeline.evaluation_batches(dataset, dataset.test_split, config.data, size)
    with pipeline.record_errors(dataset):
        found = saved_model.agreement(model, folder, batches.take(-(-count // size)))
    print(
        f"on {found.images} images of {dataset.name}: largest difference of a logit "
        f"{found.logit_difference:.2g}, same class {found.top1:.2%}, same cells {found.cells:.2%}"
    )
    return found


if __name__ == "__main__":
    command.run(main)

"""Makes TFRecords of a dataset: python -m tnet_tf.prepare --dataset=digit_scenes."""

from tnet_tf import command
from tnet_tf.config import Config
from tnet_tf.errors import one_line
from tnet_tf.inputs import catalog, pipeline
from tnet_tf.inputs.dataset import Dataset

_CLASSES_SHOWN = 12


@command.named("prepare")
def main(config: Config) -> None:
    """Makes TFRecords of a dataset, once, for train and evaluate to read.

    Prints splits, classes and boxes; prepared records are left as they are. Images that are
    unreadable, too large or too small stop it (or are left out with --on_bad_image=skip); what
    stops it leaves no records behind.

    Example: python -m tnet_tf.prepare --dataset=digit_scenes
    Example: python -m tnet_tf.prepare --dataset=folder/clothing --folder=/data/clothing
    """
    config.data.check()
    existed = catalog.is_prepared(config.data)
    dataset = catalog.prepare_dataset(config.data, config.model.least_image_side())
    if existed:
        print(f"{dataset.name} is prepared already; nothing was done")
    for line in _remarks(dataset) + _summary(dataset):
        print(one_line(line))


def _remarks(dataset: Dataset) -> list[str]:
    """What preparing a folder left out."""
    metadata = dataset.builder.info.metadata or {}
    skipped, ignored = metadata.get("skipped", []), metadata.get("ignored", 0)
    repeated = metadata.get("repeated", 0)
    tiny = metadata.get("tiny_boxes", 0)
    lines = [f"skipped {image}" for image in skipped]
    if skipped:
        lines.append(f"skipped {len(skipped)} images in all")
    if ignored:
        lines.append(f"ignored {ignored} files that are hidden or no images")
    if repeated:
        lines.append(f"ignored {repeated} links to images or folders that are there anyway")
    if tiny:
        lines.append(f"{tiny} boxes of at most 2 pixels a side are no examples of --crop_to_box")
    return lines


def _summary(dataset: Dataset) -> list[str]:
    """Path, splits, classes and boxes of a prepared dataset."""
    counts = ", ".join(
        f"{n} {split.num_examples}" for n, split in dataset.builder.info.splits.items()
    )
    used = ", ".join(
        f"{purpose} {split} ({pipeline.count(dataset, split)})"
        for purpose, split in zip(("train", "validate", "test"), dataset.splits, strict=True)
    )
    names = ", ".join(dataset.classes[:_CLASSES_SHOWN])
    more = ", .." if len(dataset.classes) > _CLASSES_SHOWN else ""
    return [
        f"{dataset.name}: {dataset.builder.data_path}",
        f"splits: {counts}; used to {used}",
        f"{len(dataset.classes)} classes: {names}{more}",
        f"boxes: {'yes' if dataset.has_boxes else 'no'}",
    ]


if __name__ == "__main__":
    command.run(main)

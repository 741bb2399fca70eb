import io
import tarfile

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.imagenet2012 import imagenet_common

from tests.inputs.images import noise
from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog
from tnet_tf.inputs.builders.imagenet100 import ARCHIVES, classes

VALIDATION = [f"ILSVRC2012_val_{n:08d}.JPEG" for n in range(1, 41)]


def jpeg(seed):
    content = io.BytesIO()
    noise(seed=seed).save(content, "JPEG")
    return content.getvalue()


def tar(files):
    content = io.BytesIO()
    with tarfile.open(mode="w", fileobj=content) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def published_labels():
    """WordNet ids of the first validation images, as TFDS says."""
    path = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt")
    return dict(zip(VALIDATION, path.read_text().split(), strict=False))


def make_archives(folder):
    """Two images of each of labels 0, 7, 99, 100 and 999 to train on, 40 to validate, 2 to test."""
    folder.mkdir(parents=True)
    names = imagenet_common.label_names_file().read_text().split()
    of_classes = {
        f"{names[label]}.tar": tar({f"{names[label]}_{n}.JPEG": jpeg(n) for n in range(2)})
        for label in (7, 0, 99, 100, 999)
    }
    (folder / ARCHIVES[0]).write_bytes(tar(of_classes))
    (folder / ARCHIVES[1]).write_bytes(tar({name: jpeg(0) for name in reversed(VALIDATION)}))
    unlabelled = tar({f"ILSVRC2012_test_{n:08d}.JPEG": jpeg(n) for n in range(2)})
    (folder / "ILSVRC2012_img_test.tar").write_bytes(unlabelled)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("imagenet100")
    make_archives(root / "downloads/manual")
    return catalog.prepare_dataset(DataConfig(dataset="imagenet100", data_dir=str(root)))


def labels_of(dataset, split):
    """Name of the class of each file."""
    labels = {}
    for record in tf.data.TFRecordDataset([s.path for s in dataset.shards(split)]):
        image, label, _ = dataset.parse(record)
        assert image.shape == (12, 16, 3)
        file = dataset.builder.info.features.deserialize_example_np(record.numpy())["file_name"]
        labels[file.decode()] = dataset.classes[label]
    return labels


def test_classes_are_the_first_100_of_imagenet(prepared, tmp_path):
    imagenet = tfds.builder("imagenet2012", data_dir=tmp_path, try_gcs=False)
    every = imagenet.info.features["label"].names
    assert len(every) == 1000
    assert every == sorted(every)
    assert prepared.classes == tuple(every[:100]) == tuple(classes())
    assert prepared.splits == ("train", "validation", "validation")
    assert list(prepared.builder.info.splits) == ["train", "validation"]
    assert not prepared.has_boxes


def test_training_images_of_other_classes_are_left_out(prepared):
    wnids = [classes()[label] for label in (0, 7, 99)]
    expected = {f"{wnid}_{n}.JPEG": wnid for wnid in wnids for n in range(2)}
    assert labels_of(prepared, "train") == expected


def test_validation_images_of_other_classes_are_left_out(prepared):
    expected = {file: wnid for file, wnid in published_labels().items() if wnid in classes()}
    assert 0 < len(expected) < len(VALIDATION)
    assert labels_of(prepared, "validation") == expected


def test_archives_to_be_fetched_by_hand_are_told(tmp_path):
    data = DataConfig(dataset="imagenet100", data_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"ILSVRC2012_img_train\.tar and") as error:
        catalog.prepare_dataset(data)
    assert "\n" not in str(error.value)


def test_a_missing_archive_is_told(tmp_path):
    folder = tmp_path / "downloads/manual"
    make_archives(folder)
    (folder / ARCHIVES[1]).unlink()
    with pytest.raises(UserError, match=r"manual; ILSVRC2012_img_val\.tar is not there"):
        catalog.prepare_dataset(DataConfig(dataset="imagenet100", data_dir=str(tmp_path)))

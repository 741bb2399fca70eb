import io
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_datasets.core.download import checksums

from tests.inputs.images import noise
from tnet_tf.config import DataConfig
from tnet_tf.errors import UserError
from tnet_tf.inputs import catalog
from tnet_tf.inputs.builders.tiny_imagenet import URL, TinyImagenet

WNIDS = ("n02124075", "n01443537", "n04067472")  # as in the real file, not in order
ROOT = "tiny-imagenet-200"


def jpeg(seed, grey=False):
    content = io.BytesIO()
    image = noise(64, 64, seed)
    (image.convert("L") if grey else image).save(content, "JPEG")
    return content.getvalue()


def make_zip(path, box="0\t10\t63\t58"):
    """The published file's layout: 3 classes, 2 images each to train on and 4 to validate."""
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:

        def add(name, content):
            archive.writestr(f"{ROOT}/{name}", content)

        add("wnids.txt", "\n".join(WNIDS))
        add("words.txt", "n00001740\tentity\n")
        for wnid in WNIDS:
            rows = [f"{wnid}_{n}.JPEG\t{box}\n" for n in range(2)]
            add(f"train/{wnid}/{wnid}_boxes.txt", "".join(rows))
            for n in range(2):
                add(f"train/{wnid}/images/{wnid}_{n}.JPEG", jpeg(n, grey=n == 1))
        rows = [f"val_{n}.JPEG\t{WNIDS[n % 3]}\t{n}\t20\t{n}\t30\n" for n in range(4)]
        add("val/val_annotations.txt", "".join(rows))
        for n in range(4):
            add(f"val/images/val_{n}.JPEG", jpeg(10 + n))
            add(f"test/images/test_{n}.JPEG", jpeg(20 + n))


def by_hand(root, monkeypatch=None, **changes):
    """Settings with a zip file in the folder for manual downloads."""
    path = root / "downloads/manual/tiny-imagenet-200.zip"
    make_zip(path, **changes)
    if monkeypatch is not None:
        published = checksums.compute_url_info(path)
        monkeypatch.setattr(TinyImagenet, "url_infos", {URL: published})
    return DataConfig(dataset="tiny_imagenet", data_dir=str(root))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        data = by_hand(tmp_path_factory.mktemp("tiny"), patch)
        return catalog.prepare_dataset(data)


def parsed(dataset, split):
    """Image, label, box and file of every example, by file."""
    examples = {}
    for record in tf.data.TFRecordDataset([s.path for s in dataset.shards(split)]):
        whole = dataset.builder.info.features.deserialize_example_np(record.numpy())
        examples[whole["file"].decode()] = (whole, *dataset.parse(record))
    return examples


def test_classes_are_sorted_and_the_unlabelled_images_left_out(prepared):
    assert prepared.classes == tuple(sorted(WNIDS))
    assert prepared.splits == ("train", "validation", "validation")
    assert list(prepared.builder.info.splits) == ["train", "validation"]
    assert prepared.has_boxes


def test_training_images_have_the_class_of_their_folder(prepared):
    examples = parsed(prepared, "train")
    assert len(examples) == 6
    for file, (_, image, label, _) in examples.items():
        assert prepared.classes[label] == file.split("/")[1]
        assert file == f"train/{file.split('/')[1]}/images/{file.split('/')[-1]}"
        assert image.shape == (64, 64, 3)


def test_validation_images_have_the_class_that_is_written(prepared):
    examples = parsed(prepared, "validation")
    assert len(examples) == 4
    for n in range(4):
        _, image, label, _ = examples[f"val/images/val_{n}.JPEG"]
        assert prepared.classes[label] == WNIDS[n % 3]
        np.testing.assert_array_equal(image, tf.io.decode_image(jpeg(10 + n)))


def test_grey_images_become_rgb(prepared):
    whole, image, *_ = parsed(prepared, "train")["train/n01443537/images/n01443537_1.JPEG"]
    assert whole["image"].shape == (64, 64, 3)
    assert (image[..., :1] == image).numpy().all()


def test_a_box_holds_its_last_pixel(prepared):
    for _, _, _, box in parsed(prepared, "train").values():
        np.testing.assert_allclose(box, (10 / 64, 0, 59 / 64, 1))
    for file, (_, _, _, box) in parsed(prepared, "validation").items():
        n = int(file[-6])
        np.testing.assert_allclose(box, (20 / 64, n / 64, 31 / 64, (n + 1) / 64))


def test_boxes_outside_the_image_are_told(tmp_path, monkeypatch):
    data = by_hand(tmp_path, monkeypatch, box="0\t10\t65\t58")
    with pytest.raises(UserError, match=r"n02124075_0\.JPEG: box x 0 to 66, y 10 to 59"):
        catalog.prepare_dataset(data)
    assert not catalog.is_prepared(data)


def test_a_file_that_is_not_the_published_one_is_told(tmp_path):
    data = by_hand(tmp_path)
    with pytest.raises(UserError, match=r"tiny-imagenet-200\.zip, has wrong checksum") as error:
        catalog.prepare_dataset(data)
    assert "\n" not in str(error.value)


def test_without_a_network_the_file_to_fetch_is_told(tmp_path, monkeypatch):
    def unresolved(*_):
        raise OSError("name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unresolved)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    # Another dataset's file does not make this one's wait for the network.
    (tmp_path / "downloads/manual").mkdir(parents=True)
    (tmp_path / "downloads/manual/ILSVRC2012_img_val.tar").touch()
    with pytest.raises(UserError) as error:
        catalog.prepare_dataset(DataConfig(dataset="tiny_imagenet", data_dir=str(tmp_path)))
    assert str(error.value) == (
        "--dataset=tiny_imagenet is downloaded from cs231n.stanford.edu, which cannot be reached: "
        f"name or service not known; or put tiny-imagenet-200.zip into {tmp_path}/downloads/manual"
    )

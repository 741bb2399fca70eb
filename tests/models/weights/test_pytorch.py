import functools
import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from tests.models import golden
from tests.networks import MGNET, TINY_MGNET, build
from tnet_tf.errors import UserError
from tnet_tf.models.weights.load import load_pretrained
from tnet_tf.models.weights.names import variable_names

CLASSIFIERS = {
    f"{name}/linear/{leaf}"
    for name in ("classification", "glimpse_classification")
    for leaf in ("kernel", "bias")
}


@pytest.fixture
def images():
    return tf.random.stateless_uniform((3, 96, 80, 3), (1, 2), -1, 1)


@functools.cache
def torchvision():
    """A ResNet-18 of 1000 classes, as torchvision names its weights."""
    weights = {
        name.removeprefix("backbone."): value
        for name, value in golden.published_mgnet().items()
        if name.startswith("backbone.")
    }
    weights["bn1.num_batches_tracked"] = np.array(7)
    weights["fc.weight"] = golden.pytorch_weight("fc.weight", [1000, 512])
    return {**weights, "fc.bias": np.ones(1000, np.float32)}


def test_a_classifier_of_other_classes_is_skipped(tmp_path):
    np.savez(
        tmp_path / "published.npz", **{f"model.{n}": v for n, v in golden.published_mgnet().items()}
    )
    model = build(MGNET, 7)
    report = load_pretrained(model, str(tmp_path / "published.npz"))
    assert set(report.skipped) == CLASSIFIERS
    assert not report.initial + report.unused
    stem = golden.published_mgnet()["backbone.conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.feature_extraction.stem.convolution.kernel, stem)
    queries = golden.published_mgnet()["feat_fusion.mha.in_proj_weight"][:515].T
    np.testing.assert_array_equal(model.fusion.query.kernel, queries)


@pytest.mark.parametrize("file", ["resnet18.safetensors", "resnet18.npz"])
def test_weights_of_torchvision_start_the_backbone(file, tmp_path):
    path = tmp_path / file
    save_file(torchvision(), path) if path.suffix == ".safetensors" else np.savez(
        path, **torchvision()
    )
    model = build(MGNET, 7, normalization="per_level")
    report = load_pretrained(model, str(path))
    assert all(name.startswith("feature_extraction/") for name in report.loaded)
    assert not any(name.startswith("feature_extraction/") for name in report.initial)
    assert not report.unused
    assert report.skipped == ("classification/linear/kernel", "classification/linear/bias")
    names = variable_names(model)
    for level in (1, 2):
        gamma = names[f"feature_extraction/block8/convolution2/normalization/gamma_{level}"]
        np.testing.assert_array_equal(gamma, torchvision()["layer4.1.bn2.weight"])
    kernel = names["feature_extraction/block3/shortcut/convolution/kernel"]
    theirs = torchvision()["layer2.0.downsample.0.weight"]
    np.testing.assert_array_equal(kernel[0, 0], theirs[:, :, 0, 0].T)


def test_weights_of_torchvision_are_a_whole_feed_forward_network(images, tmp_path):
    save_file(torchvision(), tmp_path / "resnet18.safetensors")
    model = build(MGNET, 1000, model="feedforward")
    report = load_pretrained(model, str(tmp_path / "resnet18.safetensors"))
    assert not report.initial + report.skipped + report.unused
    features, _ = model.feature_extraction(images)
    expected = features @ torchvision()["fc.weight"].T + 1
    np.testing.assert_allclose(model(images).logits, expected, rtol=1e-4, atol=1e-4)


def the_error(model, path):
    """The one line in which a file is refused."""
    with pytest.raises(UserError) as error:
        load_pretrained(model, str(path))
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith(f"--pretrained={path}")
    return str(error.value)


def test_weights_of_another_backbone_are_named_as_such(tmp_path):
    path = tmp_path / "resnet50.safetensors"
    save_file({"layer1.0.conv1.weight": np.zeros((64, 64, 1, 1))}, path)
    assert "choose the --backbone that the file was made with" in the_error(build(MGNET), path)
    with pytest.raises(UserError, match="a network of the ResNet family, not a PlainCNN"):
        load_pretrained(build(TINY_MGNET), str(path))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
def test_files_that_only_pytorch_reads_need_it(suffix, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # As where it is not installed.
    path = tmp_path / f"published{suffix}"
    path.write_bytes(b"PK")
    message = the_error(build(TINY_MGNET), path)
    assert f"only PyTorch reads {suffix} files" in message
    assert "safetensors.torch.save_file" in message


def broken_files():
    """Contents that are not what their suffix says."""
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros(3))
    np.savez(archive, **{"bn1.weight": np.arange(1000.0)})
    flipped = bytearray(archive.getvalue())
    flipped[600] ^= 1
    npz = [array.getvalue(), archive.getvalue()[:700], bytes(flipped)]
    header = b'{"bn1.weight":{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}'
    cut = len(header).to_bytes(8, "little") + header + bytes(100)
    for suffix, contents in ((".npz", npz), (".safetensors", [cut])):
        for content in (b"", b"garbage", b"PK\3\4garbage", *contents):
            yield suffix, content


@pytest.mark.parametrize(("suffix", "content"), [*broken_files()])
def test_broken_files_are_named(suffix, content, tmp_path):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    message = the_error(build(TINY_MGNET), path)
    assert f"broken{suffix} can't be read: it is broken, or no {suffix} file" in message


def test_half_a_classifier_is_none(tmp_path):
    """A torchvision classifier of as many classes has fewer inputs, but as many biases."""
    np.savez(tmp_path / "resnet18.npz", **torchvision())
    report = load_pretrained(build(MGNET, 1000), str(tmp_path / "resnet18.npz"))
    assert report.skipped == ("classification/linear/kernel", "classification/linear/bias")

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import TINY, build
from tests.serving.networks import NETWORKS, pixels, trained
from tnet_tf.serving import saved_model

# Numbers of locations to ask for, and what is served.
LOCATIONS = {
    "tnet": [(0, 0), (1, 0), (3, 0), (2, 1), (4, 2), (0, 2)],
    "mgnet": [(0,), (1,), (2,)],
}
SERVED = {"logits", "logits_by_count", "boxes", "weights", "levels"}

tnet_alone = pytest.mark.parametrize("network", ["tnet"], indirect=True)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return request.param


@pytest.fixture(scope="module")
def model(network):
    return trained(network)


@pytest.fixture(scope="module", params=["savedmodel", "cpu"])
def form(request):
    return request.param


@pytest.fixture(scope="module")
def folder(form, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        # In bfloat16 rounding decides between cells that are about as probable.
        patch.setattr(saved_model, "_PROCESSOR", folder / "without_bfloat16")
        {"savedmodel": saved_model.write, "cpu": saved_model.write_for_cpu}[form](model, folder)
    return folder


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


def assert_served(served, expected, network):
    """All that a network has is served, and is what it gives."""
    names = SERVED | {"cells"} if network == "tnet" else SERVED
    assert set(served) == {*names, "probabilities"}
    for name in names:
        assert served[name].shape == getattr(expected, name).shape
        np.testing.assert_allclose(served[name], getattr(expected, name), atol=2e-5, err_msg=name)
    np.testing.assert_allclose(tf.reduce_sum(served["probabilities"], 1), 1, rtol=1e-5)


def test_images_of_any_number_and_size_give_what_the_network_gives(model, signatures, network):
    for shape in ((1, 64, 80), (3, 64, 80), (2, 97, 51), (5, 64, 80)):
        images = pixels(*shape)
        served = signatures["serving_default"](images=tf.constant(images))
        assert_served(served, model(images), network)


def test_float_images_give_the_same_as_their_pixels(signatures):
    images = pixels(2)
    floats = tf.constant(images / 127.5 - 1, tf.float32)
    one = signatures["serving_default"](images=tf.constant(images))
    other = signatures["float_images"](images=floats)
    np.testing.assert_allclose(one["logits"], other["logits"], atol=1e-5)


def test_the_number_of_locations_is_an_input(model, signatures, network):
    images = pixels(2)
    for locations in LOCATIONS[network]:
        served = signatures["with_locations"](
            images=tf.constant(images), locations=tf.constant(locations)
        )
        looked_at = locations[: locations.index(0)] if 0 in locations else locations
        assert_served(served, model(images, locations=looked_at), network)


def refusal(signature, **inputs):
    """What a client is told, which is all that the graph can say."""
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        signature(**{name: tf.constant(value) for name, value in inputs.items()})
    return str(error.value)


@pytest.mark.parametrize(
    "shape", [(0, 64, 80, 3), (2, 0, 80, 3), (64, 80, 3), (1, 2, 64, 80, 3), (2, 64, 80, 1)]
)
def test_what_are_no_images_is_refused_in_a_sentence(signatures, shape):
    told = refusal(signatures["serving_default"], images=np.zeros(shape, np.uint8))
    assert "images must be (n, height, width, 3), with one image and one pixel at least" in told


@pytest.mark.parametrize("value", [255, -3, np.nan, np.inf])
def test_float_images_out_of_range_are_refused_in_a_sentence(signatures, value):
    """One value is enough, in any image of a batch."""
    images = np.zeros((5, 32, 32, 3), np.float32)
    images[4, 20, 30, 1] = value
    told = refusal(signatures["float_images"], images=images)
    assert "float images must be in [-1, 1] (pixels / 127.5 - 1), else uint8" in told


def test_resampling_may_overshoot_the_range_of_float_images(signatures):
    images = np.full((1, 32, 32, 3), 1.3, np.float32)
    assert np.isfinite(signatures["float_images"](images=tf.constant(images))["logits"]).all()


def test_numbers_of_locations_that_there_are_not_are_refused_in_a_sentence(signatures, network):
    levels, most = {"tnet": (2, 9), "mgnet": (1, 2)}[network]
    signature, images = signatures["with_locations"], pixels(1, 32, 32)
    for first in (-1, most + 1):
        told = refusal(signature, images=images, locations=[first] + [1] * (levels - 1))
        assert f"numbers of locations must be 0 to {most}; given:] [{first}]" in told
    told = refusal(signature, images=images, locations=[1] * (levels + 1))
    assert f"locations must be ({levels},); given:] [{levels + 1}]" in told


@tnet_alone
def test_images_smaller_than_a_cell_are_refused_in_a_sentence(signatures):
    told = refusal(signatures["serving_default"], images=np.zeros((1, 1, 32, 3), np.uint8))
    assert "images are too small for a cell of 0.5 of the side of its region" in told


@pytest.mark.parametrize(
    "changes", [{"model": "feedforward"}, {"model": "mgnet", "locations": (0,)}]
)
def test_networks_that_attend_to_nothing_are_served_too(changes, tmp_path):
    network = build(TINY, **changes)
    saved_model.write(network, tmp_path)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    assert set(signatures) == {"serving_default", "float_images"}
    images = pixels(2)
    served = signatures["serving_default"](images=tf.constant(images))
    assert set(served) == {"probabilities", "logits", "logits_by_count", "weights"}
    np.testing.assert_allclose(served["logits"], network(images).logits, atol=1e-5)


@tnet_alone
def test_a_process_without_this_package_can_serve(model, folder, tmp_path):
    """In an empty folder, with the repository off the path and our package forbidden."""
    images = pixels(3)
    np.save(tmp_path / "images.npy", images)
    script = (
        "import sys; sys.modules['tnet_tf'] = None; sys.modules['keras'] = None\n"
        "import numpy as np, tensorflow as tf\n"
        f"signatures = tf.saved_model.load({str(folder)!r}).signatures\n"
        "images = tf.constant(np.load('images.npy'))\n"
        "logits = signatures['serving_default'](images=images)['logits']\n"
        "first = signatures['with_locations'](images=images[:2], locations=tf.constant([1, 0]))\n"
        "np.savez('logits.npz', logits=logits, first=first['logits'])\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    found = np.load(tmp_path / "logits.npz")
    np.testing.assert_allclose(found["logits"], model(images).logits, atol=1e-5)
    expected = model(images[:2], locations=(1,)).logits
    np.testing.assert_allclose(found["first"], expected, atol=1e-5)


@tnet_alone
def test_the_fast_form_holds_no_variables(form, folder):
    loaded = tf.saved_model.load(str(folder))
    variables = loaded.signatures["serving_default"].variables
    assert bool(variables) == (form == "savedmodel")


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("flags: avx2 avx512_bf16 fma", "bfloat16"),
        ("flags: amx_bf16", "bfloat16"),
        ("flags: avx2 avx512f", "float32"),
        (None, "float32"),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(monkeypatch, tmp_path, flags, precision):
    described = tmp_path / "cpuinfo"
    if flags is not None:
        described.write_text(f"processor: 0\n{flags}\n")
    monkeypatch.setattr(saved_model, "_PROCESSOR", described)
    assert saved_model.cpu_precision() == precision


@tnet_alone
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_fast_form_computes_in_the_precision_of_the_processor(
    monkeypatch, tmp_path, model, precision
):
    monkeypatch.setattr(saved_model, "cpu_precision", lambda: precision)
    saved_model.write_for_cpu(model, tmp_path)
    images = pixels(2)
    thumbnail = saved_model.load(tmp_path)(tf.constant(images))["logits_by_count"][:, 0]
    error = np.abs(thumbnail - model(images).logits_by_count[:, 0]).max()
    assert error < (1e-5 if precision == "float32" else 0.02)
    assert (error > 1e-5) == (precision == "bfloat16")

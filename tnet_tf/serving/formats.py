"""The formats in which a network can be exported, each written and run by a maintained library."""

import functools
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.atomic_files import replacing
from tnet_tf.errors import UserError, first_line
from tnet_tf.layers import runtime
from tnet_tf.serving import saved_model
from tnet_tf.serving.saved_model import Runner, ServedNetwork

# Images of a request.
_OPENVINO_BATCH = 2


class Source(NamedTuple):
    """What an export is made of.

    Attributes:
      model: takes (images, locations=.., training=False), returns `Outputs`.
      image_size: height and width of images; the SavedModel takes any.
      calibration: batches of uint8 images that the scales of 8-bit integers are measured on.
    """

    model: keras.Model
    image_size: Sequence[int]
    calibration: Sequence[np.ndarray] = ()


class Form(NamedTuple):
    """A format, or an optimization of one.

    Attributes:
      file: that marks a folder as an export of this form.
      packages: that it needs besides those of the package itself.
      write: writes an export into a folder that exists.
      load: gives a function from uint8 images to what is served of them.
    """

    file: str
    packages: tuple[str, ...]
    write: Callable[[Source, Path], None]
    load: Callable[[Path], Runner]


def check_installed(form: str) -> None:
    """Raises `UserError` when a form's packages are missing."""
    for package in FORMS[form].packages:
        if importlib.util.find_spec(package) is None:
            extra = form.removesuffix("_int8")
            raise UserError(
                f"{extra} needs packages that are not installed; run: pip install '.[{extra}]'"
            )


def save(form: str, source: Source, folder: Path) -> None:
    """Writes an export whole or not at all; an earlier one in its place is replaced.

    Args:
      form: one of `FORMS`.
      source: what to export.
      folder: to write.

    Raises:
      UserError: when the folder holds something else, or can't be written.
    """
    ours = any((folder / each.file).is_file() for each in FORMS.values())
    if folder.exists() and not ours and any(folder.iterdir()):
        raise UserError(f"{folder} holds other files; give the export a folder of its own")
    try:
        with replacing(folder) as unfinished:
            unfinished.mkdir()
            FORMS[form].write(source, unfinished)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{folder} can't be written: {first_line(error)}") from error


def load(form: str, folder: Path) -> Runner:
    """Runs an export, see `Runner`."""
    return FORMS[form].load(folder)


def _write_portable(source: Source, folder: Path) -> None:
    height, width = source.image_size
    saved_model.write_for_conversion(source.model, folder, height, width)


def _write_litert(source: Source, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as portable:
        _write_portable(source, Path(portable))
        converted = tf.lite.TFLiteConverter.from_saved_model(portable).convert()
    (folder / "model.tflite").write_bytes(converted)


def _load_litert(folder: Path) -> Runner:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "model.tflite"))
    served = interpreter.get_signature_runner("serving_default")
    (image,) = interpreter.get_input_details()
    size = image["shape_signature"][1:3].tolist()
    return saved_model.checked(lambda images: served(images=images.numpy()), size)


def _write_onnx(source: Source, folder: Path) -> None:
    import tf2onnx

    height, width = source.image_size
    default = ServedNetwork(source.model).default(height, width)
    with runtime.traced_for(runtime.OTHER):
        tf2onnx.convert.from_function(
            default, default.input_signature, opset=18, output_path=str(folder / "model.onnx")
        )


def _load_onnx(folder: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    names = [output.name for output in session.get_outputs()]
    _, *size, _ = session.get_inputs()[0].shape

    def run(images: tf.Tensor) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(None, {"images": images.numpy()}), strict=True))

    return saved_model.checked(run, size)


def _write_openvino(source: Source, folder: Path, quantize: bool) -> None:
    import openvino

    with tempfile.TemporaryDirectory() as portable:
        _write_portable(source, Path(portable))
        network = openvino.convert_model(portable)
    if quantize:
        import nncf

        images = nncf.Dataset(source.calibration)
        network = nncf.quantize(network, images, subset_size=len(source.calibration))
    openvino.save_model(network, folder / "model.xml", compress_to_fp16=False)


def _load_openvino(folder: Path) -> Runner:
    import openvino

    core = openvino.Core()
    network = core.read_model(folder / "model.xml")
    # It fuses much more where it knows the batch size, and two images fit into a core's cache.
    _, *size, channels = network.input(0).partial_shape
    network.reshape([_OPENVINO_BATCH, *size, channels])
    compiled = core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    queue = openvino.AsyncInferQueue(compiled)

    def run(images: tf.Tensor) -> dict[str, np.ndarray]:
        pixels = images.numpy()
        results: dict[int, dict[str, np.ndarray]] = {}

        def keep(request: openvino.InferRequest, start: int) -> None:
            results[start] = {key.any_name: value.copy() for key, value in request.results.items()}

        queue.set_callback(keep)
        for start in range(0, len(pixels), _OPENVINO_BATCH):
            part = pixels[start : start + _OPENVINO_BATCH]
            missing = _OPENVINO_BATCH - len(part)
            queue.start_async([np.pad(part, ((0, missing), *[(0, 0)] * 3))], start)
        queue.wait_all()
        parts = [results[start] for start in sorted(results)]
        return {
            name: np.concatenate([part[name] for part in parts])[: len(pixels)] for name in parts[0]
        }

    return saved_model.checked(run, [side.get_length() for side in size])


def _savedmodel(write: Callable[[keras.Model, Path], None]) -> Form:
    return Form(
        "saved_model.pb", (), lambda source, folder: write(source.model, folder), saved_model.load
    )


def _openvino(quantize: bool) -> Form:
    write = functools.partial(_write_openvino, quantize=quantize)
    packages = ("openvino", "nncf") if quantize else ("openvino",)
    return Form("model.xml", packages, write, _load_openvino)


FORMS: dict[str, Form] = {
    "savedmodel": _savedmodel(saved_model.write),
    "cpu": _savedmodel(saved_model.write_for_cpu),
    "litert": Form("model.tflite", ("ai_edge_litert",), _write_litert, _load_litert),
    "onnx": Form("model.onnx", ("tf2onnx", "onnxruntime"), _write_onnx, _load_onnx),
    "openvino": _openvino(quantize=False),
    "openvino_int8": _openvino(quantize=True),
}

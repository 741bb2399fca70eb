"""Trained networks as SavedModels, with any batch size, image size and number of locations."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tnet_tf.errors import UserError
from tnet_tf.layers import checks, runtime
from tnet_tf.models.precision import copy_in
from tnet_tf.outputs import Outputs

Served: TypeAlias = dict[str, tf.Tensor]
Function: TypeAlias = tf.types.experimental.ConcreteFunction
# Takes uint8 images (n, H, W, 3), gives what is served of them by name.
Runner: TypeAlias = Callable[[tf.Tensor], dict[str, np.ndarray]]

# Names of outputs: of all networks, of those that attend, and of those that do so by grids.
_ALWAYS = ("logits", "logits_by_count", "weights")
_ATTENDED = ("boxes", "levels")
_IN_GRIDS = ("cells",)
_PROCESSOR = Path("/proc/cpuinfo")
# Images of a batch.
_WORTH_HALVING = 4


class ServedNetwork(tf.Module):
    """A network behind the signatures that it is served by.

    Signatures, all with images (n, H, W, 3) of any size and the outputs of `_served`:
      serving_default: uint8 images; looks at the network's own number of locations.
      float_images: float32 images in [-1, 1]; else the same.
      with_locations: uint8 images and `locations`, (levels - 1,) int32, attended per grid of each
        level after the first, 0 up to the cells of the grid; those after a 0 do not count. Of MGNet
        one number, 0 up to its own, after which it exits. Only of networks that attend.
    What they can't answer is `tf.errors.InvalidArgumentError` with a sentence: other shapes, float
    images far out of range, numbers of locations that there are not.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`.
    """

    def __init__(self, model: keras.Model):
        super().__init__()
        self.model = model
        # Keras keeps some variables where a SavedModel does not look for them.
        self.weights = [variable.value for variable in model.weights]
        self.attends = any(model.locations)
        self.outputs = _ALWAYS + _ATTENDED * self.attends + _IN_GRIDS * (model.grid is not None)

    def default(
        self, height: int | None = None, width: int | None = None
    ) -> tf.types.experimental.PolymorphicFunction:
        """The function of `serving_default`, for images of one size or any."""
        images = tf.TensorSpec((None, height, width, 3), tf.uint8, name="images")

        def of_one_size(images: tf.Tensor) -> Served:
            return _of_size(images, height, width, self._own(images))

        served = self._own if height is None else of_one_size
        return tf.function(served, input_signature=[images])

    def signatures(self) -> dict[str, Function]:
        """The compiled functions by the names of their signatures."""
        pixels, floats = (
            tf.TensorSpec((None, None, None, 3), dtype, name="images")
            for dtype in (tf.uint8, tf.float32)
        )
        with checks.in_graph():
            signatures = {
                "serving_default": self.default().get_concrete_function(),
                "float_images": tf.function(self._own).get_concrete_function(floats),
            }
            if self.attends:
                counts = tf.TensorSpec((None,), tf.int32, name="locations")
                chosen = tf.function(self._with_locations)
                signatures["with_locations"] = chosen.get_concrete_function(pixels, counts)
        return signatures

    def _own(self, images: tf.Tensor) -> Served:
        return self._served(self.model(_checked(images), training=False))

    def _with_locations(self, images: tf.Tensor, locations: tf.Tensor) -> Served:
        """Traverses as many levels as have locations: a level of no regions can't be run."""
        images, levels = _checked(images), len(self.model.locations)
        locations = checks.shaped(locations, (levels,), f"locations must be ({levels},)")
        # One by one: `tf.unstack` would tell TensorFlow how many they are.
        counts = self.model.checked_locations([locations[level] for level in range(levels)])
        before_zero = tf.reduce_sum(tf.math.cumprod(tf.cast(tf.stack(counts) > 0, tf.int32)))

        def to_depth(levels: int) -> Callable[[], Served]:
            return lambda: self._served(
                self.model(images, locations=counts[:levels], training=False)
            )

        return tf.switch_case(before_zero, [to_depth(n) for n in range(len(counts) + 1)])

    def _served(self, outputs: Outputs) -> Served:
        """What is served of a pass over n images that attended to L locations each.

        Not every runtime knows tensors of no elements, so what a network never has is left out.

        Returns:
          probabilities, logits: (n, classes), after all L locations.
          logits_by_count: (n, L + 1, classes), after 0, 1, .. L locations.
          weights: (n, L + 1), what the thumbnail and each location weigh.
          boxes: (n, L, 4), where it looked, as (y_min, x_min, y_max, x_max) in [0, 1].
          levels: (n, L), the level at which each location is looked at.
          cells: (n, L), the attended cells' raster indices; only of networks with grids.
        """
        served = {name: getattr(outputs, name) for name in self.outputs}
        return {"probabilities": tf.nn.softmax(outputs.logits), **served}


def _checked(images: tf.Tensor) -> tf.Tensor:
    shape = "images must be (n, height, width, 3), with one image and one pixel at least"
    return checks.shaped(images, (None, None, None, 3), shape)


def _of_size(images: tf.Tensor, height: int | None, width: int | None, served: Served) -> Served:
    """What is served, made so that it can't be computed of images of another size.

    LiteRT takes any size, whatever the signature says, and would answer from the wrong pixels.
    """
    column, row = (tf.cast(ends, tf.int32) for ends in (images[:, :, :1], images[:, :1]))
    # Pixels are not below 0, so this adds 0; other numbers of rows or columns can't be compared.
    zeros = (
        tf.minimum(column, tf.zeros((1, height, 1, 1), tf.int32)),
        tf.minimum(row, tf.zeros((1, 1, width, 1), tf.int32)),
    )
    nothing = tf.reduce_sum(zeros[0]) + tf.reduce_sum(zeros[1])
    return {**served, "logits": served["logits"] + tf.cast(nothing, tf.float32)}


def write(model: keras.Model, folder: Path) -> None:
    """Writes a SavedModel with the signatures of `ServedNetwork`, in float32."""
    network = ServedNetwork(model)
    tf.saved_model.save(network, str(folder), signatures=network.signatures())


def write_for_cpu(model: keras.Model, folder: Path) -> None:
    """`write`, made fast for x86 processors.

    Weights are constants, so that BatchNorm is folded and weights are laid out once, when the model
    is loaded. Where this machine's processor has bfloat16, the network computes in it. Two halves
    of a batch run side by side: one computes where the other waits for its threads.
    """
    fast = copy_in(model, cpu_precision())
    with runtime.traced_for(runtime.ONEDNN):
        signatures = ServedNetwork(fast).signatures()
    frozen = {name: _frozen(function) for name, function in signatures.items()}
    tf.saved_model.save(tf.Module(), str(folder), signatures=frozen)


def write_for_conversion(model: keras.Model, folder: Path, height: int, width: int) -> None:
    """Writes a SavedModel for converters: `serving_default` alone, for images of one size."""
    network = ServedNetwork(model)
    with runtime.traced_for(runtime.OTHER):
        default = network.default(height, width).get_concrete_function()
    tf.saved_model.save(network, str(folder), signatures={"serving_default": default})


def load(folder: Path) -> Runner:
    """The `serving_default` of a SavedModel."""
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]

    def run(images: tf.Tensor) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in served(images=images).items()}

    return checked(run)


def checked(run: Runner, size: Sequence[int] | None = None) -> Runner:
    """A runner that refuses, with a `UserError`, what its export does not take.

    Args:
      run: the runner.
      size: height and width of the images, of an export for one size.
    """

    def run_checked(images: tf.Tensor) -> dict[str, np.ndarray]:
        checks.check_images(images)
        if images.dtype != tf.uint8:
            raise UserError(f"images are {images.dtype.name}: an export takes uint8 in 0 .. 255")
        given = tuple(images.shape[1:3])
        if size is not None and given != tuple(size):
            raise UserError(
                f"images are {given[0]} x {given[1]} px: this export takes {size[0]} x {size[1]} "
                "alone; resize them, or export a SavedModel, which takes any size"
            )
        return run(images)

    return run_checked


def cpu_precision() -> str:
    """'bfloat16' where this machine's processor computes in it, else 'float32'."""
    words = _PROCESSOR.read_text().split() if _PROCESSOR.exists() else []
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(words) else "float32"


def _frozen(function: Function) -> tf.types.experimental.PolymorphicFunction:
    """The same function with constants instead of variables, names of inputs and outputs kept."""
    constant = convert_variables_to_constants_v2(function)
    names = sorted(function.structured_outputs)
    positional, named = function.structured_input_signature

    def call(*tensors: tf.Tensor) -> Served:
        return dict(zip(names, constant(*tensors), strict=True))

    def in_halves(images: tf.Tensor, *others: tf.Tensor) -> Served:
        half = tf.shape(images)[0] // 2
        first, second = call(images[:half], *others), call(images[half:], *others)
        return {name: tf.concat([first[name], second[name]], axis=0) for name in names}

    def served(images: tf.Tensor, *others: tf.Tensor) -> Served:
        return tf.cond(
            tf.shape(images)[0] >= _WORTH_HALVING,
            lambda: in_halves(images, *others),
            lambda: call(images, *others),
        )

    return tf.function(served, input_signature=[*positional, *named.values()])

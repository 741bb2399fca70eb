"""FLOPs and parameters of a network, counted on its own graph (appendix 2.3)."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence

import keras
import tensorflow as tf

from tnet_tf.evaluation.multiplications import multiplications


def gflops(
    model: keras.Model, image_size: Sequence[int], locations: tuple[int, ...] | None = None
) -> float:
    """Billions of multiplications that the prediction for one image takes (appendix eq. 10).

    Counted are the operations that the logits and the attended cells depend on, each with the
    shapes it runs with: convolutions, dense layers and other matrix products (the averages of
    feature vectors among them, 0.001% of the whole), and the gating of squeeze and excitation,
    which the published numbers include although eq. 10 does not. TNet computes the predictions
    after every smaller number of locations along with the last one; their 0.2% are in. Nothing is
    executed, so any size is counted at once.

    Args:
      model: takes (images, locations=..), returns `Outputs`.
      image_size: height and width in pixels.
      locations: attended per grid, one number for each level after the first; default: the
        network's own. (0,) attends to nothing, but finds out where it would.

    Raises:
      UserError: for a graph with operations whose cost is not known, or shapes that are not known
        in advance, see `multiplications`.
    """

    def predict(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = model(image, locations=locations, training=False)
        return outputs.logits, outputs.cells

    with _nested_functions_inlined():
        traced = tf.function(predict).get_concrete_function(tf.TensorSpec((1, *image_size, 3)))
    return sum(map(multiplications, _operations_behind(traced.outputs))) / 1e9


def gflops_by_locations(
    model: keras.Model, image_size: Sequence[int], locations: tuple[int, ...] | None = None
) -> list[float]:
    """`gflops` after 0, 1, .. L locations, in the order in which they are attended.

    The network is counted at the end of every level. Within a level each location takes an equal
    share of what the level adds; networks that look at them one by one are counted after each.
    After 0 locations the location module counts, as in the paper's tables: it has chosen regions
    that the network has not looked at yet.

    Args:
      model: see `gflops`.
      image_size: height and width in pixels.
      locations: see `gflops`; default: the network's own, none for feed-forward networks.

    Returns:
      L + 1 numbers, where locations (2, 3) make L = 2 + 2 * 3.
    """
    locations = model.locations if locations is None else locations
    if not model.attends or not locations:
        return [gflops(model, image_size, ())]
    if model.one_by_one:
        return [gflops(model, image_size, stop) for stop in model.stops(locations).values()]
    costs = [gflops(model, image_size, (0,))]
    regions = 1
    for level, count in enumerate(locations, start=1):
        regions *= count
        before, after = costs[-1], gflops(model, image_size, locations[:level])
        costs += [before + (after - before) * done / regions for done in range(1, regions + 1)]
    return costs


def parameters(model: keras.Model) -> int:
    """Number of weights, BatchNorm's moving averages included as in tables 2, 5 and 6."""
    return sum(math.prod(variable.shape) for variable in model.weights)


@contextlib.contextmanager
def _nested_functions_inlined() -> Iterator[None]:
    """Traces functions inside of functions in place, so that one graph holds all operations."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _operations_behind(outputs: Iterable[tf.Tensor]) -> list[tf.Operation]:
    """Every operation of a graph that these tensors are computed from, once."""
    operations: dict[str, tf.Operation] = {}
    waiting = [tensor.op for tensor in outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in operations:
            operations[operation.name] = operation
            waiting.extend(tensor.op for tensor in operation.inputs)
    return list(operations.values())

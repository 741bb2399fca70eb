"""Which pixels of a feature map describe which grid cell (appendix 2.1.4)."""

from collections.abc import Sequence
from typing import NamedTuple

from tnet_tf.errors import UserError
from tnet_tf.layers.grid import cell_layout


class Window(NamedTuple):
    """The sliding window of a convolution along one axis.

    Attributes:
      kernel: its size.
      stride: its step.
      padding: 'same' (TensorFlow's: the odd pixel goes to the end), 'symmetric' (PyTorch's: half a
        kernel on both sides) or 'valid'.
    """

    kernel: int
    stride: int = 1
    padding: str = "same"


class FieldCentres(NamedTuple):
    """Receptive-field centres along one axis of a feature map.

    Attributes:
      size: pixels of the map.
      first: centre of the first pixel's receptive field, in input pixels from the image's edge.
      step: between neighbouring pixels' centres, in input pixels.
    """

    size: int
    first: float
    step: int


def field_centres(size: int, windows: Sequence[Window]) -> FieldCentres:
    """Follows the receptive-field centres through a chain of convolutions along one axis.

    Args:
      size: input pixels.
      windows: the convolutions, first to last.
    """
    first, step = 0.5, 1
    for kernel, stride, padding in windows:
        if padding == "same":
            out = -(-size // stride)
            before = max((out - 1) * stride + kernel - size, 0) // 2
        else:
            before = kernel // 2 if padding == "symmetric" else 0
            out = (size + 2 * before - kernel) // stride + 1
        first += ((kernel - 1) / 2 - before) * step
        size, step = out, step * stride
    return FieldCentres(size, first, step)


def uniform_slice(centres: FieldCentres, base: int, grid: int, cell: float) -> slice:
    """The evenly spaced pixels whose receptive fields lie closest to the centres of the grid cells.

    Closest in the sum of squares; of equals the wider spaced.

    Args:
      centres: of the feature map along one axis.
      base: base resolution along this axis, in pixels.
      grid: cells per side.
      cell: side of a cell as a fraction of the image side.

    Raises:
      UserError: when the map has fewer pixels than the grid has cells.
    """
    if centres.size < grid:
        raise UserError(
            f"the feature map for the attention grid has {centres.size} pixels a side at "
            f"--base_resolution={base}, fewer than --grid={grid}; raise the base resolution or "
            "choose a smaller grid"
        )
    # In thousandths of the base resolution the rounding of cells to pixels does not matter.
    fine = 1000 * base
    patch, stride, before = cell_layout(fine, grid, cell)
    targets = [(stride * i - before + patch / 2) / 1000 for i in range(grid)]

    def distance(start: int, step: int) -> float:
        fields = (centres.first + centres.step * (start + step * i) for i in range(grid))
        return sum((field - target) ** 2 for field, target in zip(fields, targets, strict=True))

    candidates = [
        (round(distance(start, step), 6), -step, start)
        for step in range(1, (centres.size - 1) // (grid - 1) + 1)
        for start in range(centres.size - step * (grid - 1))
    ]
    _, step, start = min(candidates)
    return slice(start, start - step * (grid - 1) + 1, -step)

"""Pictures of where a network looks: the paper's figure 4, and boxes on images for TensorBoard."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tnet_tf.batch import Batch
from tnet_tf.evaluation.attention_policy import without_nan
from tnet_tf.evaluation.predictions import NONE, log_probabilities, predicted_classes
from tnet_tf.evaluation.tables import shortened
from tnet_tf.layers.pixels import to_uint8
from tnet_tf.outputs import Outputs

# Okabe and Ito's colours, told apart by colour-blind readers too; one per location, in order.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")
_RIGHT, _WRONG = "#1A7F37", "#C5221F"
_ROW_INCHES = 2.3
# Letters of a title that fit on a column as wide as a row is high.
_LETTERS = 37
_SHADOW: list[patheffects.AbstractPathEffect] = [
    patheffects.withStroke(linewidth=2.5, foreground="black", alpha=0.6)
]


def attention_figure(
    outputs: Outputs,
    batch: Batch,
    classes: Sequence[str],
    base_resolution: tuple[int, int] | None = None,
    most_crops: int = 6,
    gazes: Mapping[str, Outputs] | None = None,
) -> Figure:
    """Attended regions and their weights, one row per image, in the manner of the paper's figure 4.

    A row holds the image with the attended regions, numbered in the order in which they are
    attended, and the object's box dashed in white; then what the network looks at: the thumbnail
    and the regions, each with its weight in the average feature (paper 5.3); then for each other
    gaze the image with what it attends, and what the network predicts from that.

    Args:
      outputs: for n images; `logits`, `weights`, `boxes` and `levels` are read.
      batch: the n images, their labels and boxes.
      classes: name of each class.
      base_resolution: height and width at which regions are looked at; shown so. None: as they are.
      most_crops: regions beyond these are drawn on the image only; the last caption says how many.
      gazes: by name, what the network made of the images looking elsewhere; as `outputs`.
    """
    outputs = _drawable(outputs)
    count, locations = outputs.boxes.shape[:2]
    images = to_uint8(batch.images)
    height, width = images.shape[1:3]
    crops = min(locations, most_crops) + 1 if locations else 0
    view_height, view_width = base_resolution or (height, width)
    # Even a tall image's column leaves room for the names of its classes.
    whole = max(width / height, 0.9)
    gazes = {name: _drawable(seen) for name, seen in (gazes or {}).items()} if crops else {}
    widths = [whole, *[max(view_width / view_height, 0.5)] * crops, *[whole] * len(gazes)]
    figure, grid = _figure_of_rows(count, widths)
    names = [
        shortened(name, round(whole * _LETTERS) - len("predicted:  (100%)")) for name in classes
    ]
    for row, axes in enumerate(grid):
        label, box = int(batch.labels[row]), batch.boxes[row]
        captions = [f"true: {names[label]}", *(f"{name} gaze" for name in gazes)]
        places, seen_by = [axes[0], *axes[1 + crops :]], [outputs, *gazes.values()]
        for place, caption, seen in zip(places, captions, seen_by, strict=True):
            _draw_image(place, images[row], seen.boxes[row], seen.levels[row], box)
            _number(place, images[row], seen.boxes[row, :most_crops], seen.levels[row])
            _draw_title(place, caption, seen.logits[row], label, names)
        if crops:
            views = [np.array([0.0, 0.0, 1.0, 1.0]), *outputs.boxes[row]][:crops]
            _draw_views(axes[1 : 1 + crops], images[row], views, outputs, row, base_resolution)
    return figure


def _figure_of_rows(count: int, widths: Sequence[float]) -> tuple[Figure, np.ndarray]:
    """A figure and its (count, columns) axes; `widths` are in shares of a row's height."""
    figure = Figure(
        figsize=(sum(widths) * _ROW_INCHES + 0.4, count * (_ROW_INCHES + 0.45)),
        layout="constrained",
    )
    spacing = {"width_ratios": widths, "wspace": 0.03}
    return figure, figure.subplots(count, len(widths), squeeze=False, gridspec_kw=spacing)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, in less detail where it would have too many pixels to draw.

    Characters that the font lacks, in names of classes, become empty frames.
    """
    buffer, resolution = io.BytesIO(), min(110, 32000 / max(figure.get_size_inches()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format="png", dpi=resolution)
    return buffer.getvalue()


def attended_image(images: Any, boxes: Any) -> np.ndarray:
    """Draws attended regions on images, for TensorBoard.

    Args:
      images: (n, H, W, 3) float in [-1, 1], array or tensor.
      boxes: (n, L, 4) as in `Outputs`; the first ones end up on top.

    Returns:
      (n, H, W, 3) uint8.
    """
    pictures = to_uint8(images)
    height, width = pictures.shape[1:3]
    line = max(1, round(min(height, width) / 100))
    # Edges as pixel indices: the box is what lies from the first up to, not including, the second.
    shares = without_nan(np.clip(boxes, 0, 1))
    edges = np.rint(shares * np.array([height, width, height, width])).astype(int)
    for picture, regions in zip(pictures, edges, strict=True):
        for order, (top, left, bottom, right) in reversed(list(enumerate(regions))):
            colour = _rgb(COLOURS[order % len(COLOURS)])
            region = picture[top:bottom, left:right]
            region[:line] = region[-line:] = colour
            region[:, :line] = region[:, -line:] = colour
    return pictures


def _drawable(outputs: Outputs) -> Outputs:
    return outputs._replace(boxes=without_nan(outputs.boxes))


def _rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue in 0 .. 255 of '#RRGGBB'."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _draw_image(
    axes: Axes, image: np.ndarray, regions: np.ndarray, levels: np.ndarray, box: np.ndarray
) -> None:
    """The image with its attended regions, finer lines for deeper levels, and the object's box."""
    axes.imshow(image)
    axes.set_axis_off()
    axes.set_anchor("W")
    for order, region in reversed(list(enumerate(_in_pixels(regions, image)))):
        line_width = 2.4 if levels[order] == 2 else 1.4
        _outline(axes, region, line_width, edgecolor=COLOURS[order % len(COLOURS)])
    if (box[2:] > box[:2]).all():
        edges = box * np.tile(image.shape[:2], 2)
        _outline(axes, edges, 1.4, edgecolor="white", linestyle=(0, (4, 3)))


def _number(axes: Axes, image: np.ndarray, regions: np.ndarray, levels: np.ndarray) -> None:
    """Writes the order of the regions into their corners.

    Those of the second level have it in the upper left, deeper ones in the lower right, since a
    region and the one it was cut from often share a corner.
    """
    for order, (top, left, bottom, right) in reversed(list(enumerate(_in_pixels(regions, image)))):
        upper_left = levels[order] == 2
        axes.text(
            left if upper_left else right,
            top if upper_left else bottom,
            str(order + 1),
            fontsize=7,
            fontweight="bold",
            horizontalalignment="left" if upper_left else "right",
            verticalalignment="top" if upper_left else "bottom",
            clip_on=True,
            bbox={"facecolor": COLOURS[order % len(COLOURS)], "edgecolor": "none", "pad": 1.2},
        )


def _in_pixels(regions: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(L, 4) regions in pixels; as they may share edges, later ones are a little smaller."""
    height, width = image.shape[:2]
    inset = 0.008 * min(height, width) * (np.arange(len(regions)) % 4)
    return regions * [height, width, height, width] + inset[:, np.newaxis] * [1, 1, -1, -1]


def _outline(axes: Axes, region: np.ndarray, line_width: float, **style: Any) -> None:
    """Draws a region given in pixels; pixel centres of `imshow` lie on whole numbers."""
    top, left, bottom, right = region - 0.5
    rectangle = Rectangle(
        (left, top), right - left, bottom - top, fill=False, linewidth=line_width, **style
    )
    rectangle.set_path_effects(_SHADOW)
    axes.add_patch(rectangle)


def _draw_title(
    axes: Axes, caption: str, logits: np.ndarray, label: int, names: Sequence[str]
) -> None:
    """Below the caption the predicted class and its probability; green if right, red if wrong."""
    predicted = int(predicted_classes(logits))
    probability = np.exp(log_probabilities(logits)[predicted])
    said = "nothing finite" if predicted == NONE else f"{names[predicted]} ({probability:.0%})"
    axes.set_title(
        f"{caption}\npredicted: {said}",
        fontsize=8.5,
        loc="left",
        parse_math=False,
        color=_RIGHT if predicted == label else _WRONG,
    )


def _draw_views(
    axes_row: Sequence[Axes],
    image: np.ndarray,
    views: Sequence[np.ndarray],
    outputs: Outputs,
    row: int,
    base_resolution: tuple[int, int] | None,
) -> None:
    """What the network looks at: the thumbnail, then regions framed in their colour."""
    hidden = outputs.boxes.shape[1] + 1 - len(views)
    for order, (axes, view) in enumerate(zip(axes_row, views, strict=True)):
        axes.imshow(_looked_at(image, view, base_resolution))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(
            linewidth=2.5 if order else 0.8,
            color=COLOURS[(order - 1) % len(COLOURS)] if order else "black",
        )
        what = f"{order}: level {outputs.levels[row, order - 1]}" if order else "thumbnail"
        more = f" (+{hidden} more)" if hidden and order == len(views) - 1 else ""
        axes.set_title(f"{what}{more}\nweight {outputs.weights[row, order]:.2f}", fontsize=8.5)


def _looked_at(
    image: np.ndarray, view: np.ndarray, base_resolution: tuple[int, int] | None
) -> np.ndarray:
    """Cuts a region out and resizes it as the network does: bilinear, without anti-aliasing."""
    height, width = image.shape[:2]
    top, left, bottom, right = np.rint(view * np.array([height, width, height, width])).astype(int)
    # A region that lies in the padding altogether shows as the pixel next to it.
    top, left = min(top, height - 1), min(left, width - 1)
    crop = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    if base_resolution is None:
        return crop
    return np.rint(tf.image.resize(crop, base_resolution).numpy()).astype(np.uint8)

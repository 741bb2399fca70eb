"""Results of a benchmark as a table to read and as a plot."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from tnet_tf.evaluation.figures import COLOURS, png
from tnet_tf.evaluation.results import Results
from tnet_tf.evaluation.tables import aligned

_HEADINGS = ("network", "measured", "GFLOPs", "median ms/image", "+-", "R", "peak GB")


def to_text(results: Results) -> str:
    """The results for a terminal.

    Args:
      results: what `tnet_tf.benchmark` returns.
    """
    unit = results["reference"]["milliseconds_median"]
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for name, network in results["networks"].items():
        for row in network["inference"]:
            count, gflops = row["locations"], f"{row['gflops']:.2f}"
            what = f"{count} location" + ("" if count == 1 else "s")
            memory = _gigabytes(row["peak_bytes"])
            rows.append((name, what, gflops, *_times(row, unit), memory))
        for row in network["exports"]:
            rows.append((name, row["form"], "-", *_times(row, unit), "-"))
        for row in network["large_images"]:
            rows.append((name, f"{row['side']} px", "-", *_times(row, unit), "-"))
        if network["training"]:
            step = network["training"]
            times = _times(step, step["reference_milliseconds_median"])
            rows.append((name, "training", "-", *times, _gigabytes(step["peak_bytes"])))
    rows.append(("EfficientNetB0 (R)", "-", "-", *_times(results["reference"], unit), "-"))
    lines = aligned(rows)
    for name, network in results["networks"].items():
        height, width = network["image_size"]
        rate = network["input_images_per_second"]
        lines.append(
            f"{name}: {network['model']}, {network['backbone']}, {height} x {width} px, "
            f"{network['parameters']:,} parameters"
            + (f", input {rate:,.0f} images/s" if rate else "")
        )
    protocol = (
        f"batches of {results['batch_size']}, {results['sets']} sets of "
        f"{results['batches_per_set']}, medians over sets, {results['precision']}; R: "
        "keras.applications.EfficientNetB0, 224 px, float32, batches of 8"
    )
    return "\n".join([*lines, protocol])


def plot(results: Results) -> bytes:
    """A PNG of time and FLOPs against the number of locations, a line for each network.

    Where accuracy is known, it is drawn against time, too.
    """
    networks = results["networks"]
    known = any(network["top1_by_locations"] for network in networks.values())
    figure = Figure(figsize=(13 if known else 9, 3.8), layout="constrained")
    time, flops, *accuracy = figure.subplots(1, 3 if known else 2)
    for order, (name, network) in enumerate(networks.items()):
        rows = network["inference"]
        counts = [row["locations"] for row in rows]
        style = {"color": COLOURS[order % len(COLOURS)], "marker": "o", "label": name}
        milliseconds = [row["milliseconds_median"] for row in rows]
        deviations = [row["milliseconds_std"] for row in rows]
        time.errorbar(counts, milliseconds, deviations, capsize=3, **style)
        flops.plot(counts, [row["gflops"] for row in rows], **style)
        for axes in accuracy:
            top1 = network["top1_by_locations"]
            known_rows = [row for row in rows if top1 and row["locations"] in top1.counts]
            shares = [100 * top1.at(row["locations"]) for row in known_rows]
            axes.plot([row["milliseconds_median"] for row in known_rows], shares, **style)
    for axes, quantity in ((time, "median time per image (ms)"), (flops, "GFLOPs per image")):
        axes.set_xlabel("locations")
        axes.set_ylabel(quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in accuracy:
        axes.set_xlabel("median time per image (ms)")
        axes.set_ylabel("top-1 (%)")
        axes.set_xlim(left=0)
    for axes in (time, flops, *accuracy):
        axes.grid(alpha=0.3)
    time.set_ylim(bottom=0)
    flops.set_ylim(bottom=0)
    time.legend()
    return png(figure)


def _times(row: Mapping[str, float], unit: float) -> tuple[str, str, str]:
    median, std = row["milliseconds_median"], row["milliseconds_std"]
    return f"{median:.2f}", f"{std:.2f}", f"{median / unit:.2f}"


def _gigabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e9:.2f}"

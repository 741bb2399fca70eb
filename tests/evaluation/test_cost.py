import csv
import math
from itertools import pairwise
from pathlib import Path

import pytest
import tensorflow as tf

from tests.networks import CUB, FMOW, IMAGENET, MGNET, TINY, TINY_MGNET, build
from tnet_tf.errors import UserError
from tnet_tf.evaluation.cost import (
    gflops,
    gflops_by_locations,
    parameters,
)
from tnet_tf.models.feedforward import FeedForward
from tnet_tf.models.mgnet import MGNet
from tnet_tf.models.plain_cnn import CONVOLUTIONS, PlainCNN


def feedforward(backbone, classes):
    return build(TINY, classes, model="feedforward", backbone=backbone)


TABLES = Path(__file__).parents[1] / "tables"
BIRDS = {"cub": 200, "nabirds": 555}
# What each printed row of table 2 attends to.
FMOW_LOCATIONS = {0: (0,), 1: (1,), 2: (2,), 3: (3,), 4: (2, 1), 6: (3, 1)}
# What the MGNet paper's tables call --backbone.
RESNETS = {
    "ResNet-18": "resnet18",
    "ResNet-18-no-maxpool": "resnet18_no_maxpool",
    "ResNet-34": "resnet34",
    "ResNet-34-no-maxpool": "resnet34_no_maxpool",
    "ResNet-50": "resnet50",
    "ResNeXt-50": "resnext50_32x4d",
    "WRN-50": "wide_resnet50_2",
}
# What each printed network of the MGNet paper's tables 1 and 2 attends to after the first glimpse.
MGNET_LOCATIONS = {
    "FF-Net": (0,),
    "MGNet 1-glimpse": (0,),
    "MGNet 2-glimpse": (1,),
    "MGNet 3-glimpse": (2,),
    "MGNet": (3,),
}


def read_table(name):
    """The rows of a printed table."""
    with (TABLES / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def printed_rows(table, *models):
    """Rows of a table of TNet's paper with FLOPs of these models."""
    rows = [row for row in read_table(f"tnet_{table}") if row["model"] in models]
    assert rows and all(row["gflops"] for row in rows)
    return rows


def one_unit_of_the_last_digit(printed):
    """Tolerance of a printed number, two of whose decimals are kept."""
    assert len(printed.partition(".")[2]) <= 2
    return 0.005 + 0.01


def check(cost, row, relative=0.0):
    printed = float(row["gflops"])
    allowed = relative * printed or one_unit_of_the_last_digit(row["gflops"])
    assert cost == pytest.approx(printed, abs=allowed), row


def check_parameters(model, row):
    millions = parameters(model) / 1e6
    assert round(millions, 2) == pytest.approx(float(row["params_millions"]), abs=0.0101), row


def test_bagnet_costs_what_table_1_says():
    (row,) = printed_rows("table1_imagenet", "BagNet-77")
    check(gflops(feedforward("bagnet77", 1000), (224, 224)), row)


def test_tnet_on_imagenet_costs_what_table_1_says():
    costs = gflops_by_locations(build(IMAGENET, 1000), (224, 224), (5,))
    for row in printed_rows("table1_imagenet", "TNet"):
        check(costs[int(row["locations"])], row)


def test_efficientnet_b0_costs_what_table_2_says():
    model = feedforward("efficientnet_b0", 62)
    for row in printed_rows("table2_fmow", "EfficientNet-B0"):
        check(gflops(model, [int(row["input_size"])] * 2), row)
        check_parameters(model, row)


def test_tnet_on_fmow_costs_what_table_2_says():
    model = build(FMOW, 62)
    for row in printed_rows("table2_fmow", "TNet"):
        locations = FMOW_LOCATIONS[int(row["locations"])]
        check(gflops(model, [int(row["input_size"])] * 2, locations), row)
        check_parameters(model, row)


@pytest.mark.parametrize("table", ["table5_cub", "table6_nabirds"])
@pytest.mark.parametrize("number", range(5))
def test_networks_on_birds_cost_what_tables_5_and_6_say(table, number):
    classes = BIRDS[table.partition("_")[2]]
    backbone = f"efficientnet_b{number}"
    # The numbers printed for B1 .. B4 lie up to 1.1% above what the layers multiply.
    relative = 0.015 if number else 0.0
    model = build(CUB, classes, backbone=backbone)
    costs = gflops_by_locations(model, (448, 448), (5,))
    for row in printed_rows(table, f"TNet-B{number}"):
        check(costs[int(row["locations"])], row, relative)
        check_parameters(model, row)
    (row,) = printed_rows(table, f"EfficientNet-B{number}")
    dense = feedforward(backbone, classes)
    check(gflops(dense, (448, 448)), row, relative)
    check_parameters(dense, row)


def ffnet(model, side):
    """The FF-Net with an MGNet's backbone: its only glimpse is the image itself."""
    backbone, classes = model.feature_extraction, model.classes
    return MGNet(backbone, classes, base_resolution=(side, side), locations=(0,))


@pytest.mark.parametrize("name", ["ResNet-18", "ResNet-50", "ResNeXt-50", "WRN-50"])
def test_mgnet_on_imagenet100_costs_what_its_tables_1_and_2_say(name):
    model = build(MGNET, 100, backbone=RESNETS[name])
    whole = ffnet(model, 224)
    for table in ("mgnet_table1_imagenet100", "mgnet_table2_imagenet100c"):
        rows = [row for row in read_table(table) if row["backbone"] == name]
        assert len(rows) >= 2
        for row in rows:
            network = whole if row["network"] == "FF-Net" else model
            cost = gflops(network, (224, 224), MGNET_LOCATIONS[row["network"]])
            # Three or four decimals are printed, some cut off instead of rounded.
            check(cost, row, relative=3e-4)


@pytest.mark.parametrize(
    "row",
    read_table("mgnet_table3_tiny_imagenet"),
    ids=lambda row: f"{row['backbone']} {row['network']}",
)
def test_mgnet_on_tiny_imagenet_costs_what_its_table_3_says(row):
    small = {"backbone": RESNETS[row["backbone"]], "base_resolution": (32, 32), "locations": (2,)}
    model = build(MGNET, 200, **small)
    if row["network"] == "FF-Net":
        model = ffnet(model, 64)
    # The printed numbers lie 0.2 to 0.4% above what the layers multiply.
    check(gflops(model, (64, 64)), row, relative=0.005)


@pytest.mark.parametrize(
    ("config", "classes", "count"),
    [(IMAGENET, 1000, 21_859_949), (FMOW, 62, 4_559_591), (CUB, 200, 5_558_450)],
)
def test_parameters_are_the_published_networks(config, classes, count):
    assert parameters(build(config, classes)) == count


def test_parameters_of_mgnet_are_the_published_networks():
    model = build(MGNET, 100)
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    assert trained == 12_344_950
    # ResNet-18 has 4800 channels with moving averages.
    assert parameters(model) == trained + 2 * 4800


def test_bagnet_has_the_published_parameters():
    assert parameters(feedforward("bagnet77", 1000)) == 20_546_664


def test_counts_what_the_layers_of_a_small_network_multiply():
    expected, side, channels = 0, 64, 3
    for filters, stride in CONVOLUTIONS:
        side //= stride
        expected += 3 * 3 * channels * filters * side * side
        channels = filters
    expected += channels * 10
    assert gflops(FeedForward(PlainCNN(), classes=10), (64, 64)) * 1e9 == pytest.approx(expected)


def test_the_cost_does_not_grow_with_the_image():
    model = build()
    assert gflops(model, (200, 200)) == gflops(model, (3000, 4000))


def test_locations_of_a_level_share_what_it_adds():
    model = build()
    costs = gflops_by_locations(model, (96, 80), (2, 3))
    assert len(costs) == 1 + 2 + 6
    assert costs[2] == pytest.approx(gflops(model, (96, 80), (2,)))
    steps = [after - before for before, after in pairwise(costs)]
    assert steps[:2] == pytest.approx([steps[0]] * 2)
    assert steps[2:] == pytest.approx([steps[2]] * 6)
    # The prefix of a level is what that level costs by itself, up to averages of fewer vectors.
    assert costs[1] == pytest.approx(gflops(model, (96, 80), (1,)), rel=1e-3)


def test_locations_that_are_looked_at_one_by_one_are_counted_one_by_one():
    model = build(TINY_MGNET)
    costs = gflops_by_locations(model, (96, 80))
    assert costs == [gflops(model, (96, 80), (count,)) for count in range(3)]
    # Each adds a glimpse, and the attention over one glimpse more.
    first, second = (after - before for before, after in pairwise(costs))
    assert first < second < 1.1 * first


def test_networks_that_attend_to_nothing_have_one_cost():
    model = feedforward("plain_cnn", 4)
    assert gflops_by_locations(model, (64, 64), (2,)) == [gflops(model, (64, 64))]


class CompiledInside(FeedForward):
    """Hides its operations in a function of its own."""

    def call(self, images, **settings):
        return tf.function(super().call)(images, **settings)


def test_functions_inside_of_the_network_are_counted_too():
    plain, compiled = (kind(PlainCNN(), classes=4) for kind in (FeedForward, CompiledInside))
    assert gflops(compiled, (64, 64)) == gflops(plain, (64, 64))
    assert not tf.config.functions_run_eagerly()


class Loop(FeedForward):
    """Runs as often as the image says."""

    def call(self, images, **settings):
        outputs = super().call(images, **settings)
        logits = tf.while_loop(
            lambda value: tf.reduce_sum(value) < 1, lambda value: (value + 1,), [outputs.logits]
        )
        return outputs._replace(logits=logits[0])


def test_loops_are_refused_because_their_cost_is_not_known():
    with pytest.raises(UserError, match=r"the cost of \w*While \(.+\) can't be counted; if you"):
        gflops(Loop(PlainCNN(), classes=4), (64, 64))


class Inverting(FeedForward):
    """Multiplies in a way of which the paper says nothing."""

    def call(self, images, **settings):
        inverse = tf.linalg.inv(images[..., 0])
        return super().call(images + tf.reduce_mean(inverse), **settings)


def test_operations_of_unknown_cost_are_refused():
    with pytest.raises(UserError, match=r"the cost of MatrixInverse \(.+\) can't be counted"):
        gflops(Inverting(PlainCNN(), classes=4), (64, 64))


class Selective(FeedForward):
    """Drops images by what they show."""

    def call(self, images, **settings):
        return super().call(images[tf.reduce_sum(images, (1, 2, 3)) > 0], **settings)


def test_work_that_depends_on_what_images_show_is_refused():
    with pytest.raises(UserError, match="is not known in advance"):
        gflops(Selective(PlainCNN(), classes=4), (64, 64))

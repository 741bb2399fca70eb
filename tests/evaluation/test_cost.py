from itertools import pairwise

import pytest
import tensorflow as tf

from tests.networks import CUB, FMOW, IMAGENET, TINY, build
from tnet_tf.evaluation.cost import (
    gflops,
    gflops_by_locations,
    numbers_of_locations,
    parameters,
)
from tnet_tf.models.feedforward import FeedForward
from tnet_tf.models.plain_cnn import CONVOLUTIONS, PlainCNN


def feedforward(backbone, classes):
    return build(TINY, classes, model="feedforward", backbone=backbone)


def same_as_printed(value, printed):
    """Equal to the paper's number up to one unit of its last, second digit."""
    return abs(round(value, 2) - printed) < 0.0101


@pytest.mark.parametrize(("side", "printed"), [(224, 18.42), (77, 1.80)])
def test_bagnet_costs_what_table_1_says(side, printed):
    # The thumbnail alone, 77 px, is TNet's 1.82 less the location module.
    assert same_as_printed(gflops(feedforward("bagnet77", 1000), (side, side)), printed)


def test_tnet_on_imagenet_costs_what_table_1_says():
    costs = gflops_by_locations(build(IMAGENET, 1000), (224, 224), (5,))
    for count, printed in {0: 1.82, 1: 3.63, 2: 5.43, 3: 7.24, 5: 10.84}.items():
        assert same_as_printed(costs[count], printed), count


@pytest.mark.parametrize(("side", "printed"), [(224, 0.39), (448, 1.54), (896, 6.18)])
def test_efficientnet_b0_costs_what_table_2_says(side, printed):
    assert same_as_printed(gflops(feedforward("efficientnet_b0", 62), (side, side)), printed)


def test_tnet_on_fmow_costs_what_table_2_says():
    model = build(FMOW, 62)
    costs = gflops_by_locations(model, (448, 448), (3,))
    for cost, printed in zip(costs, (0.39, 0.77, 1.16, 1.55), strict=True):
        assert same_as_printed(cost, printed)
    assert same_as_printed(gflops(model, (896, 896), (2, 1)), 1.94)
    assert same_as_printed(gflops(model, (896, 896), (3, 1)), 2.71)


def test_tnet_b0_costs_what_table_5_says():
    costs = gflops_by_locations(build(CUB, 200), (448, 448))
    for cost, printed in zip(costs, (0.39, 0.78, 1.16, 1.55, 1.94, 2.32), strict=True):
        assert same_as_printed(cost, printed)


@pytest.mark.parametrize(("number", "printed"), [(1, 3.44), (2, 3.99), (3, 5.84), (4, 9.15)])
def test_larger_tnets_cost_nearly_what_table_5_says(number, printed):
    # The numbers printed for B1 .. B4 lie up to 1.1% above what the layers multiply.
    model = build(CUB, 200, backbone=f"efficientnet_b{number}")
    assert gflops(model, (448, 448), (5,)) == pytest.approx(printed, rel=0.015)


@pytest.mark.parametrize(
    ("config", "classes", "count"),
    [(IMAGENET, 1000, 21_859_949), (FMOW, 62, 4_559_591), (CUB, 200, 5_558_450)],
)
def test_parameters_are_the_published_networks(config, classes, count):
    assert parameters(build(config, classes)) == count


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


def test_a_traversal_can_end_inside_its_last_level_only():
    assert numbers_of_locations((3,)) == {0: (0,), 1: (1,), 2: (2,), 3: (3,)}
    three_levels = {0: (0,), 1: (1,), 2: (2,), 4: (2, 1), 6: (2, 2), 8: (2, 3)}
    assert numbers_of_locations((2, 3)) == three_levels


def test_every_end_of_a_traversal_attends_to_its_number_of_locations():
    images = tf.zeros((2, 96, 80, 3))
    for count, locations in numbers_of_locations((2, 2, 1)).items():
        assert build()(images, locations=locations).boxes.shape == (2, count, 4)


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
    with pytest.raises(ValueError, match="can't be counted"):
        gflops(Loop(PlainCNN(), classes=4), (64, 64))


class Selective(FeedForward):
    """Drops images by what they show."""

    def call(self, images, **settings):
        return super().call(images[tf.reduce_sum(images, (1, 2, 3)) > 0], **settings)


def test_work_that_depends_on_what_images_show_is_refused():
    with pytest.raises(ValueError, match="no shape known"):
        gflops(Selective(PlainCNN(), classes=4), (64, 64))

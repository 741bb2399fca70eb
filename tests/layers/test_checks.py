import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.layers import checks


def halved(number):
    """A function of even numbers."""
    return checks.guarded(number, number % 2 == 0, "numbers must be even; given:", number) // 2


@pytest.mark.parametrize("number", [3, np.int32(3), tf.constant(3)])
def test_what_is_known_not_to_hold_is_refused_at_once(number):
    assert halved(number + 1) == 2
    with pytest.raises(UserError, match=r"^numbers must be even; given: 3$"):
        halved(number)


def test_graphs_look_at_conditions_only_where_that_is_asked_for():
    def graph():
        return tf.function(halved).get_concrete_function(tf.TensorSpec((), tf.int32))

    plain = graph()
    with checks.in_graph():
        asserting = graph()
    assert asserting(tf.constant(4)) == plain(tf.constant(4)) == plain(tf.constant(5)) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must be even; given:\] \[3\]"):
        asserting(tf.constant(3))
    assert {"Assert"} & {operation.type for operation in asserting.graph.get_operations()}
    assert not {"Assert"} & {operation.type for operation in plain.graph.get_operations()}


def test_gradients_pass_a_condition_unchanged():
    @tf.function
    def gradient(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            squares = tf.reduce_sum(checks.in_range(values) ** 2)
        return tape.gradient(squares, values)

    values = tf.constant([0.5, -1.0])
    with checks.in_graph():
        np.testing.assert_allclose(gradient(values), 2 * values)


@pytest.mark.parametrize("most", [2, None])
def test_numbers_of_locations_are_not_negative_nor_more_than_there_are(most):
    assert checks.counts((0, 2), most) == (0, 2)
    for wrong in ((1, -1), (3,) if most else (-3,)):
        with pytest.raises(UserError, match=rf"must be 0 (to 2|or more); given: {wrong[-1]}"):
            checks.counts(wrong, most)

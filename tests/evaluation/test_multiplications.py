import keras
import pytest
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.evaluation.multiplications import multiplications


def counted(function, *shapes):
    """All multiplications of a function of tensors of these shapes."""
    specs = [tf.TensorSpec(shape) for shape in shapes]
    graph = tf.function(function).get_concrete_function(*specs).graph
    return sum(multiplications(each) for each in graph.get_operations() if each.outputs)


def of_einsum(equation, *shapes):
    return counted(lambda *factors: tf.einsum(equation, *factors), *shapes)


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 2 * 3 * 5),
        ("ij,kj->ik", [(2, 3), (5, 3)], 2 * 3 * 5),
        ("bqhd,bkhd->bhqk", [(2, 3, 4, 5), (2, 7, 4, 5)], 2 * 4 * 3 * 7 * 5),
        ("abc,cde->abde", [(2, 3, 4), (4, 5, 6)], 2 * 3 * 4 * 5 * 6),
        ("...j,jk->...k", [(2, 3, 4), (4, 5)], 2 * 3 * 4 * 5),
        ("a...b,bc...->ac...", [(7, 2, 1, 3), (3, 5, 2, 4)], 7 * 5 * 2 * 4 * 3),
        ("i,j->ij", [(2,), (3,)], 2 * 3),
        ("ij,ij->ij", [(2, 3), (2, 3)], 2 * 3),
        ("ij,ij->", [(2, 3), (2, 3)], 2 * 3),
        ("ii,ij->j", [(3, 3), (3, 4)], 3 * 4),
        # These two only sum or move.
        ("ij->j", [(2, 3)], 0),
        ("ij->ji", [(2, 3)], 0),
    ],
)
def test_einsum_multiplies_once_for_each_choice_of_its_labels(equation, shapes, expected):
    assert of_einsum(equation, *shapes) == expected


def test_einsum_of_three_factors_takes_two_products():
    assert of_einsum("ij,jk,kl->il", (2, 3), (3, 5), (5, 7)) in (
        2 * 3 * 5 + 2 * 5 * 7,
        3 * 5 * 7 + 2 * 3 * 7,
    )


def test_matrix_products_count_the_same_however_they_are_written():
    expected = 6 * 4 * 2 * 3 * 5
    assert of_einsum("abij,abjk->abik", (6, 4, 2, 3), (6, 4, 3, 5)) == expected
    assert counted(tf.matmul, (6, 4, 2, 3), (6, 4, 3, 5)) == expected
    assert counted(tf.matmul, (6, 4, 2, 3), (4, 3, 5)) == expected
    for matmul in (tf.matmul, tf.raw_ops.BatchMatMulV3):
        named = {"adjoint_a": True} if matmul is tf.matmul else {"adj_x": True, "Tout": tf.float32}
        first, second = ("a", "b") if matmul is tf.matmul else ("x", "y")

        def transposed(a, b, matmul=matmul, first=first, second=second, named=named):
            return matmul(**{first: a, second: b}, **named)

        assert counted(transposed, (6, 4, 3, 2), (6, 4, 3, 5)) == expected
    assert counted(lambda a, b: tf.matmul(a, b, transpose_a=True), (3, 2), (3, 5)) == 2 * 3 * 5


def test_attention_of_keras_costs_its_projections_and_products():
    tokens, width, heads = 10, 12, 3
    attention = keras.layers.MultiHeadAttention(heads, width // heads)
    attention.build((1, tokens, width), (1, tokens, width))
    expected = 4 * tokens * width * width + 2 * tokens * tokens * width
    assert counted(lambda x: attention(x, x), (1, tokens, width)) == expected


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_multiply_a_window_of_a_groups_channels_for_every_output(axes, groups):
    images, kernel = (1, *[8] * axes, 4), (*[3] * axes, 4 // groups, 6)
    expected = 4 // groups * 3**axes * 6 * 4**axes
    assert counted(lambda x, k: tf.nn.convolution(x, k, 2, "SAME"), images, kernel) == expected


def test_a_depthwise_convolution_multiplies_each_channel_by_its_own():
    convolution = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)
    convolution.build((1, 8, 8, 5))
    assert counted(lambda x, c=convolution: c(x), (1, 8, 8, 5)) == 3 * 3 * 8 * 8 * 5 * 2


@pytest.mark.parametrize(
    ("transposed", "axes"),
    [(keras.layers.Conv2DTranspose, 2), (keras.layers.Conv3DTranspose, 3)],
)
def test_a_transposed_convolution_costs_what_the_one_that_it_turns_round_does(transposed, axes):
    layer = transposed(6, 3, strides=2, padding="same")
    shape = (1, *[4] * axes, 5)
    layer.build(shape)
    assert counted(lambda x: layer(x), shape) == 5 * 6 * 3**axes * 4**axes


def test_all_else_that_the_paper_leaves_out_is_free():
    layers = [keras.layers.BatchNormalization(), keras.layers.LayerNormalization()]
    for layer in layers:
        layer.build((1, 2, 2, 3))

    def free(image):
        pooled = tf.nn.avg_pool2d(tf.nn.max_pool2d(image, 2, 2, "SAME"), 2, 2, "SAME")
        normed = layers[0](tf.nn.gelu(pooled) * 3 + 1)
        grown = tf.image.resize(layers[1](normed), (9, 9))
        return tf.nn.softmax(tf.reduce_mean(tf.transpose(grown, (0, 2, 1, 3)), (1, 2)))

    assert counted(free, (1, 8, 8, 3)) == 0


def test_gating_counts_by_its_name_alone():
    def gate(x, y):
        return tf.multiply(x, y, name="gated") + tf.multiply(x, y, name="scaled")

    assert counted(gate, (1, 4, 4, 3), (1, 1, 1, 3)) == 4 * 4 * 3


@pytest.mark.parametrize(
    ("function", "kind"),
    [(tf.linalg.inv, "MatrixInverse"), (lambda x: tf.signal.rfft(x), "RFFT")],
)
def test_what_is_not_known_is_refused_instead_of_taken_to_be_free(function, kind):
    message = rf"the cost of {kind} \(.+\) can't be counted; if you know it, add it to tnet_tf/"
    with pytest.raises(UserError, match=message):
        counted(function, (4, 4))

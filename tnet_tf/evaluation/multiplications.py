"""Multiplications of one operation of a graph (appendix 2.3, eq. 10)."""

import math
from collections.abc import Callable

import tensorflow as tf

from tnet_tf.errors import UserError

# What eq. 10 leaves out: all but convolutions, dense layers and other matrix products. An operation
# that is in neither table might be one of these, so it is refused instead of taken to be free.
_LEFT_OUT = {
    "values, and what passes them on": "Placeholder PlaceholderWithDefault Const VarHandleOp "
    "ReadVariableOp ResourceGather Identity IdentityN StopGradient PreventGradient EnsureShape "
    "Snapshot Cast Bitcast",
    "shapes and places": "Shape ShapeN Size Rank Reshape Squeeze ExpandDims Pack Unpack Concat "
    "ConcatV2 Split SplitV Slice StridedSlice Pad PadV2 MirrorPad Tile Transpose ReverseV2 Roll "
    "BroadcastTo BroadcastArgs GatherV2 GatherNd ScatterNd TensorScatterUpdate Where Fill "
    "ZerosLike OnesLike Range LinSpace OneHot SpaceToBatchND BatchToSpaceND SpaceToDepth "
    "DepthToSpace MatrixBandPart MatrixDiagV3",
    "element by element": "Add AddV2 AddN Sub Neg BiasAdd MulNoNan Div DivNoNan RealDiv FloorDiv "
    "FloorMod Mod Reciprocal Square SquaredDifference Pow Sqrt Rsqrt Exp Expm1 Log Log1p Abs Sign "
    "Floor Ceil Round Rint Maximum Minimum ClipByValue Sin Cos Tan Tanh Sigmoid Erf Erfc Relu "
    "Relu6 LeakyRelu Elu Selu Softplus Softsign Select SelectV2 Equal NotEqual Less LessEqual "
    "Greater GreaterEqual LogicalAnd LogicalOr LogicalNot IsNan IsInf IsFinite",
    "summaries and normalisation": "Sum Mean Prod Max Min All Any ArgMax ArgMin Cumsum Cumprod "
    "TopKV2 Softmax LogSoftmax L2Loss FusedBatchNormV3",
    "pooling and resampling": "MaxPool MaxPoolV2 MaxPool3D AvgPool AvgPool3D CropAndResize "
    "ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea ImageProjectiveTransformV3",
}
_FREE = frozenset(" ".join(_LEFT_OUT.values()).split())


def multiplications(operation: tf.Operation) -> int:
    """Multiplications that an operation takes by appendix eq. 10, with the shapes it runs with.

    Raises:
      UserError: for a kind of operation of which it is not known whether and how much it
        multiplies, and for shapes that are not known in advance.
    """
    count = _COUNTED.get(operation.type)
    if count is not None:
        return count(operation)
    if operation.type in _FREE:
        return 0
    raise UserError(
        f"the cost of {operation.type} ({operation.name}) can't be counted; if you know it, add it "
        "to tnet_tf/evaluation/multiplications.py"
    )


def _convolution(operation: tf.Operation) -> int:
    """Kernels are (.., C_in / groups, C_out); each output takes one of them."""
    return math.prod(_shape(operation.inputs[1])[:-1]) * _outputs(operation)


def _depthwise_convolution(operation: tf.Operation) -> int:
    return math.prod(_shape(operation.inputs[1])[:-2]) * _outputs(operation)


def _transposed_convolution(operation: tf.Operation) -> int:
    """That of the convolution whose gradient it is: kernels are (.., C_out, C_in) of this one."""
    _, kernel, inputs = operation.inputs
    return math.prod(_shape(kernel)[:-1]) * math.prod(_shape(inputs))


def _matrix_product(transposed: str) -> Callable[[tf.Operation], int]:
    """Counts products whose first factor is transposed if the attribute of this name says so."""

    def count(operation: tf.Operation) -> int:
        axis = -2 if operation.get_attr(transposed) else -1
        return _shape(operation.inputs[0])[axis] * _outputs(operation)

    return count


def _einsum(operation: tf.Operation) -> int:
    """One factor is summed or moved only; with two, each output sums over what it does not have."""
    if len(operation.inputs) == 1:
        return 0
    terms, outputs = operation.get_attr("equation").decode().split("->")
    sizes: dict[str, int] = {}
    for term, factor in zip(terms.split(","), operation.inputs, strict=True):
        shape, (first, _, last) = _shape(factor), term.partition("...")
        sizes.update(zip(first, shape, strict=False))
        sizes.update(zip(reversed(last), reversed(shape), strict=False))
    summed = math.prod(size for label, size in sizes.items() if label not in outputs)
    return summed * _outputs(operation)


def _gating(operation: tf.Operation) -> int:
    """Of squeeze and excitation, which the published numbers include although eq. 10 does not."""
    gates = operation.name.split("/")[-1].startswith("gated")
    return _outputs(operation) if gates else 0


_COUNTED: dict[str, Callable[[tf.Operation], int]] = {
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise_convolution,
    "Conv2DBackpropInput": _transposed_convolution,
    "Conv3DBackpropInputV2": _transposed_convolution,
    "MatMul": _matrix_product("transpose_a"),
    "BatchMatMul": _matrix_product("adj_x"),
    "BatchMatMulV2": _matrix_product("adj_x"),
    "BatchMatMulV3": _matrix_product("adj_x"),
    "Einsum": _einsum,
    "Mul": _gating,
}


def _outputs(operation: tf.Operation) -> int:
    return math.prod(_shape(operation.outputs[0]))


def _shape(tensor: tf.Tensor) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise UserError(
            f"the cost of {tensor.op.type} ({tensor.op.name}) can't be counted: its shape "
            f"{tensor.shape} is not known in advance"
        )
    return tensor.shape.as_list()

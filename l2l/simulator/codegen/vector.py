# mypy: disable-error-code="misc, no-untyped-call, no-any-return, untyped-decorator, no-untyped-def"
# ruff: noqa: ARG001, ARG002, ARG005 -- Numba prescribes the signatures
"""Explicit SIMD for Numba: `Vec(element, lanes)` is one LLVM vector value.

Operators, comparisons, select, fused multiply-add, load, store and broadcast are intrinsics over it. No fast-math flag
is set anywhere: each operation is the IEEE one, fused only where the source says `fma`, so that a lane's bits depend
neither on the number of lanes nor on what the compiler fancies, and NaN stays NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

BIT, INT32, INT64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
_LLVM = {types.float32: FLOAT, types.float64: DOUBLE, types.uint32: INT32}


class VecType(types.Type):
    """`lanes` values of type `element` in one LLVM vector."""

    def __init__(self, element: Any, lanes: int) -> None:
        self.element = element
        self.lanes = lanes
        super().__init__(name=f"Vec({element},{lanes})")


class MaskType(types.Type):
    """`lanes` truth values."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


def llvm_type(vec: VecType) -> Any:
    return ir.VectorType(_LLVM[vec.element], vec.lanes)


@register_model(VecType)
class _VecModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, llvm_type(frontend))


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, ir.VectorType(BIT, frontend.lanes))


def splat(builder: Any, scalar: Any, vector_type: Any) -> Any:
    """`scalar` in every lane."""
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(INT32, vector_type.count), [0] * vector_type.count)
    )


def _vectors(builder: Any, argument_types: Any, arguments: Any, vec: VecType) -> list[Any]:
    return [
        a if isinstance(t, VecType) else splat(builder, a, llvm_type(vec))
        for a, t in zip(arguments, argument_types, strict=True)
    ]


def _vec_of(args: Any) -> VecType | None:
    return next((a for a in args if isinstance(a, VecType)), None)


def _promoted(args: Any, vec: VecType) -> list[Any]:
    """Scalars are cast to the element type before they are broadcast."""
    return [a if isinstance(a, VecType) else vec.element for a in args]


def _register_operator(op: Any, result: Callable[[VecType], Any], build: Callable[[Any, Any, Any], Any]) -> None:
    @infer_global(op)
    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vec = _vec_of(args)
            if vec is None or len(args) != 2:
                return None
            return signature(result(vec), *_promoted(args, vec))

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = _vectors(builder, sig.args, args, _vec_of(sig.args))  # type: ignore[arg-type]
        return build(builder, a, b)

    for pair in ((VecType, VecType), (VecType, types.Any), (types.Any, VecType)):
        lower_builtin(op, *pair)(lower)


def _same(vec: VecType) -> Any:
    return vec


def _mask(vec: VecType) -> Any:
    return MaskType(vec.lanes)


for _op, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _register_operator(_op, _same, lambda builder, a, b, name=_name: getattr(builder, name)(a, b))
for _op, _sign in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
):
    _register_operator(_op, _mask, lambda builder, a, b, sign=_sign: builder.fcmp_ordered(sign, a, b))
_register_operator(operator.ne, _mask, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))


@infer_global(operator.neg)
class _NegTemplate(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if len(args) == 1 and isinstance(args[0], VecType) else None


@lower_builtin(operator.neg, VecType)
def _neg(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _fused(name: str, prepare: Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]) -> Any:
    @intrinsic
    def fused(typing_context, x, y, z):
        vec = _vec_of((x, y, z))
        if vec is None:
            return None
        sig = vec(*_promoted((x, y, z), vec))

        def generate(context, builder, sig, args):
            a, b, c = prepare(builder, *_vectors(builder, sig.args, args, vec))
            kind = llvm_type(vec)
            suffix = "f32" if kind.element == FLOAT else "f64"
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{vec.lanes}{suffix}"
            )
            return builder.call(function, [a, b, c])

        return sig, generate

    fused.__name__ = name
    return fused


fma = _fused("fma", lambda builder, x, y, z: (x, y, z))  # x*y + z
fms = _fused("fms", lambda builder, x, y, z: (x, y, builder.fneg(z)))  # x*y - z
fnma = _fused("fnma", lambda builder, x, y, z: (builder.fneg(x), y, z))  # z - x*y


@intrinsic
def where(typing_context, mask, x, y):
    """x where the mask holds, y elsewhere."""
    vec = _vec_of((x, y))
    if vec is None:
        if not isinstance(mask, MaskType) or x not in (types.float32, types.float64):
            return None
        vec = VecType(x, mask.lanes)  # two numbers: the mask alone says how many lanes there are
    sig = vec(mask, *_promoted((x, y), vec))

    def generate(context, builder, sig, args):
        a, b = _vectors(builder, sig.args[1:], args[1:], vec)
        return builder.select(args[0], a, b)

    return sig, generate


def _logical(name: str, arity: int, build: Callable[..., Any]) -> Any:
    if arity == 1:

        @intrinsic
        def logical(typing_context, a):
            return a(a), lambda context, builder, sig, args: build(builder, args[0])
    else:

        @intrinsic
        def logical(typing_context, a, b):
            return a(a, b), lambda context, builder, sig, args: build(builder, args[0], args[1])

    logical.__name__ = name
    return logical


mask_and = _logical("mask_and", 2, lambda builder, a, b: builder.and_(a, b))
mask_or = _logical("mask_or", 2, lambda builder, a, b: builder.or_(a, b))
mask_not = _logical("mask_not", 1, lambda builder, a: builder.not_(a))


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector_type: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector_type.as_pointer())


def make_load(lanes: int) -> Any:
    """load(array, offset): `lanes` consecutive elements of a flat array."""

    @intrinsic
    def load(typing_context, array, offset):
        vec = VecType(array.dtype, lanes)

        def generate(context, builder, sig, args):
            value = builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], llvm_type(vec)))
            value.align = array.dtype.bitwidth // 8
            return value

        return vec(array, types.intp), generate

    return load


@intrinsic
def store(typing_context, array, offset, value):
    """Writes the lanes of `value` to consecutive elements of a flat array."""

    def generate(context, builder, sig, args):
        target = _pointer(context, builder, sig.args[0], args[0], args[1], llvm_type(value))
        builder.store(args[2], target).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def scalar_load(typing_context, array, offset):
    """One element of a flat array, without Numba's handling of negative indices."""

    def generate(context, builder, sig, args):
        return builder.load(builder.gep(context.make_array(sig.args[0])(context, builder, args[0]).data, [args[1]]))

    return array.dtype(array, types.intp), generate


def make_broadcast(element: Any, lanes: int) -> Any:
    """broadcast(x): the scalar x in every lane."""
    vec = VecType(element, lanes)

    @intrinsic
    def broadcast(typing_context, x):
        return vec(element), lambda context, builder, sig, args: splat(builder, args[0], llvm_type(vec))

    return broadcast

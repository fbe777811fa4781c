# mypy: disable-error-code="misc, no-untyped-call, no-any-return, untyped-decorator, no-untyped-def"
# ruff: noqa: ARG001 -- Numba prescribes the signatures
"""Philox4x32-10 and Box-Muller in SIMD lanes: the numbers of `noise.normals`, operation for operation."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from l2l.simulator.codegen.vector import FLOAT, INT32, INT64, VecType, llvm_type, splat
from l2l.simulator.codegen.vectormath import Value, horner
from l2l.simulator.noise import (
    COS,
    MINUS_TWO_LN2,
    MINUS_TWO_LOG,
    MULTIPLIERS,
    PURPOSE_NOISE,
    ROUNDS,
    SIN,
    TURN,
    WEYL,
)

PIECE = 64  # lanes worked on together


def _philox(group: Any, node: Any, low: Value, high: Value) -> list[Value]:
    """The four words of each lane.

    Between rounds a word lives in two vectors of 64-bit lanes, one for the even and one for the odd simulations, of
    which only the low halves count: so it is multiplied (32 by 32 bits to 64) without any shuffling.
    """
    builder = low.builder
    wide = ir.VectorType(INT64, low.type.count // 2)

    def halves(word: Value) -> list[Value]:
        pairs = Value(builder, builder.bitcast(word.value, wide))
        return [pairs, pairs >> 32]

    def everywhere(scalar: Any) -> list[Value]:
        return [Value(builder, splat(builder, scalar, wide))] * 2

    # In the first round two words are the same in all lanes.
    product = builder.mul(builder.zext(group, INT64), ir.Constant(INT64, MULTIPLIERS[0]))
    x0 = everywhere(product)
    x1 = everywhere(builder.zext(node, INT64))
    x2, x3 = halves(low), halves(high)
    key = list(PURPOSE_NOISE)
    for number in range(ROUNDS):
        p0 = x0 if number == 0 else [(x & 0xFFFFFFFF) * MULTIPLIERS[0] for x in x0]
        p1 = [(x & 0xFFFFFFFF) * MULTIPLIERS[1] for x in x2]
        if number == ROUNDS - 1:
            break
        x0 = [(p >> 32) ^ (x ^ key[0]) for p, x in zip(p1, x1, strict=True)]
        x2 = [(p >> 32) ^ (x ^ key[1]) for p, x in zip(p0, x3, strict=True)]
        x1, x3 = p1, p0
        key = [(k + w) & 0xFFFFFFFF for k, w in zip(key, WEYL, strict=True)]

    def together(pair: list[Value], half: int) -> Value:
        """The lower (0) or upper (1) halves of both vectors, in the simulations' order."""
        lanes = low.type.count
        indices = [i - i % 2 + half + (lanes if i % 2 else 0) for i in range(lanes)]
        parts = [builder.bitcast(each.value, low.type) for each in pair]
        return Value(builder, builder.shuffle_vector(*parts, ir.Constant(ir.VectorType(INT32, lanes), indices)))

    # The last round ends in whole words.
    return [
        together(p1, 1) ^ together(x1, 0) ^ _signed(key[0]),
        together(p1, 0),
        together(p0, 1) ^ together(x3, 0) ^ _signed(key[1]),
        together(p0, 0),
    ]


def _signed(word: int) -> int:
    """A word of 32 bits as LLVM writes it."""
    return word - (1 << 32) if word >> 31 else word


def _box_muller(a: Value, b: Value) -> tuple[Value, Value]:
    u = (a >> 8).cast("sitofp", FLOAT).fma(2.0**-24, 2.0**-25)
    bits = u.bits()
    exponent = (bits - 0x3F3504F3).arithmetic_shift(23)
    y = (bits - (exponent << 23)).cast("bitcast", FLOAT).fma(-2.0, 2.0)
    rest = (y * y).fma(horner(y, MINUS_TWO_LOG), y)
    radius = exponent.cast("sitofp", FLOAT).fma(MINUS_TWO_LN2, rest).call("sqrt")
    f = (b << 2).cast("sitofp", FLOAT) * (TURN / 4)
    z = f * f
    smaller = horner(z, SIN).fma(f * z, f)
    larger = horner(z, COS).fma(z, -0.5).fma(z, 1.0)
    larger = (larger.bits() ^ (b & _signed(0x80000000))).cast("bitcast", FLOAT)
    turned = (b & 0x40000000).compare("!=", 0)
    return radius * turned.select(smaller, larger), radius * turned.select(larger, smaller)


def _piece(builder: Any, vector: Any, first: int, lanes: int) -> Value:
    """Some consecutive lanes of a vector."""
    indices = list(range(first, min(lanes, first + PIECE)))
    selection = ir.Constant(ir.VectorType(INT32, len(indices)), indices)
    return Value(builder, builder.shuffle_vector(vector, vector, selection))


def _joined(builder: Any, pieces: list[Any]) -> Any:
    """Vectors of equal length, their number a power of two, one after the other."""
    while len(pieces) > 1:
        count = 2 * pieces[0].type.count
        everything = ir.Constant(ir.VectorType(INT32, count), list(range(count)))
        pieces = [builder.shuffle_vector(a, b, everything) for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]


def make_normals(element: Any, lanes: int) -> Any:
    """normals(group, node, low, high): four `Vec(element, lanes)`, one for each of the group's four steps."""
    vec = VecType(element, lanes)
    seeds = VecType(types.uint32, lanes)

    @intrinsic
    def normals(typing_context, group, node, low, high):
        sig = types.UniTuple(vec, 4)(types.uint32, types.uint32, seeds, seeds)

        def generate(context, builder, sig, args):
            # Pieces of one register each: more would not fit into the registers.
            pieces = []
            for first in range(0, lanes, PIECE):
                words = _philox(args[0], args[1], *(_piece(builder, a, first, lanes) for a in args[2:]))
                pieces.append([*_box_muller(words[0], words[1]), *_box_muller(words[2], words[3])])
            results = [_joined(builder, [p[g].value for p in pieces]) for g in range(4)]
            if element != types.float32:
                results = [builder.fpext(r, llvm_type(vec)) for r in results]
            return context.make_tuple(builder, sig.return_type, results)

        return sig, generate

    return normals

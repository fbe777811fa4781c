"""The elementary functions and the noise of the CPU kernels, written out as functions of one CUDA thread.

`vectormath` and `philox` state each function once, as operations on LLVM vectors. Here the same code runs over a
builder that writes Python text instead, so a thread does what a SIMD lane does, operation for operation. Products are
written `mul`, which the compiler may not fuse with a sum: only what says `fma` is fused, as on the CPU, so the two
agree to the bit (division and square root are the IEEE ones).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from l2l.simulator.codegen import vectormath
from l2l.simulator.codegen.philox import _box_muller
from l2l.simulator.codegen.vector import BIT, DOUBLE, FLOAT, INT32, INT64
from l2l.simulator.codegen.vectormath import Value
from l2l.simulator.noise import MULTIPLIERS, PURPOSE_NOISE, ROUNDS, WEYL

_CAST = {FLOAT: "f32", DOUBLE: "f64", INT32: "i32", INT64: "i64"}
_UNSIGNED = {INT32: "u32", INT64: "u64"}
_SUFFIX = {FLOAT: "32", DOUBLE: "64"}

# What the two worlds have to bring along: the compiler's own instructions, or NumPy in the simulator.
_DEVICE = {
    "mul32(a, b)": "libdevice.fmul_rn(a, b)",
    "mul64(a, b)": "libdevice.dmul_rn(a, b)",
    "fma32(a, b, c)": "libdevice.fmaf(a, b, c)",
    "fma64(a, b, c)": "libdevice.fma(a, b, c)",
    "sqrt32(a)": "libdevice.fsqrt_rn(a)",
    "sqrt64(a)": "libdevice.dsqrt_rn(a)",
    "rint32(a)": "libdevice.rintf(a)",
    "rint64(a)": "libdevice.rint(a)",
    "fabs32(a)": "libdevice.fabsf(a)",
    "fabs64(a)": "libdevice.fabs(a)",
    "floor32(a)": "libdevice.floorf(a)",
    "floor64(a)": "libdevice.floor(a)",
    "ceil32(a)": "libdevice.ceilf(a)",
    "ceil64(a)": "libdevice.ceil(a)",
    "bits32(a)": "i32(libdevice.float_as_int(a))",
    "bits64(a)": "i64(libdevice.double_as_longlong(a))",
    "unbits32(a)": "libdevice.int_as_float(a)",
    "unbits64(a)": "libdevice.longlong_as_double(a)",
}
_SIMULATED = {
    "mul32(a, b)": "a * b",
    "mul64(a, b)": "a * b",
    "fma32(a, b, c)": "f32(f64(a) * f64(b) + f64(c))",
    "fma64(a, b, c)": "a * b + c",
    "sqrt32(a)": "np.sqrt(a)",
    "sqrt64(a)": "np.sqrt(a)",
    "rint32(a)": "np.rint(a)",
    "rint64(a)": "np.rint(a)",
    "fabs32(a)": "abs(a)",
    "fabs64(a)": "abs(a)",
    "floor32(a)": "np.floor(a)",
    "floor64(a)": "np.floor(a)",
    "ceil32(a)": "np.ceil(a)",
    "ceil64(a)": "np.ceil(a)",
    "bits32(a)": "a.view(np.int32)",
    "bits64(a)": "a.view(np.int64)",
    "unbits32(a)": "a.view(np.float32)",
    "unbits64(a)": "a.view(np.float64)",
}
_COMMON = {
    "select(c, a, b)": "a if c else b",
    "where(c, a, b)": "a if c else b",
    "mask_and(a, b)": "a & b",
    "mask_or(a, b)": "a | b",
    "mask_not(a)": "not a",
    "broadcast(x)": "real(x)",
    # Unsigned indices: Numba need not look whether they are negative.
    "load(array, place)": "array[u64(place)]",
    "scalar_load(array, place)": "array[u64(place)]",
    # Every weight is followed by another: two float32 are fetched as one word.
    "first_of(pair)": "unbits32(i32(u32(pair & u64(0xFFFFFFFF))))",
    "second_of(pair)": "unbits32(i32(u32(pair >> u64(32))))",
    "wrapped(row, rows)": "i32(row + rows) if row < i32(0) else row",
}

FUNCTIONS: dict[str, Callable[..., Value]] = {
    "exp": vectormath.exp,
    "expm1": vectormath.expm1,
    "exprel": vectormath.exprel,
    "bernoulli": vectormath.bernoulli,
    "log": vectormath.log,
    "sqrt": lambda x: x.call("sqrt"),
    "sin": lambda x: vectormath.sincos(x)[0],
    "cos": lambda x: vectormath.sincos(x)[1],
    "tan": vectormath.tan,
    "sinh": vectormath.sinh,
    "cosh": vectormath.cosh,
    "tanh": vectormath.tanh,
    "abs": lambda x: x.call("fabs"),
    "floor": lambda x: x.call("floor"),
    "ceil": lambda x: x.call("ceil"),
    "erfc": vectormath.erfc,
    "pow": vectormath.power,
    "minimum": vectormath.minimum,
    "maximum": vectormath.maximum,
}


class _Text:
    """A value of the text builder: the name under which the source knows it."""

    def __init__(self, text: str, kind: Any) -> None:
        self.text = text
        self.type = kind


class _TextBuilder:
    """Takes the calls that an LLVM builder takes, and writes them down as Python."""

    def __init__(self, constants: dict[tuple[str, str], str]) -> None:
        self.lines: list[str] = []
        self.constants = constants
        self.module = ir.Module()
        self._count = 0

    def text(self, value: Any) -> str:
        if isinstance(value, _Text):
            return value.text
        number = value.constant[0].constant
        cast = _CAST[value.type.element]
        if isinstance(number, float) and not math.isfinite(number):
            written = "np.nan" if math.isnan(number) else ("np.inf" if number > 0 else "-np.inf")
        else:
            written = repr(_signed(number, value.type.element))
        return self.constants.setdefault((cast, written), f"q{len(self.constants)}")

    def let(self, expression: str, kind: Any) -> _Text:
        self._count += 1
        self.lines.append(f"t{self._count} = {expression}")
        return _Text(f"t{self._count}", kind)

    def integer(self, sign: str, a: Any, b: Any) -> _Text:
        # Numba widens integers at every operation: the cast takes the low bits again.
        return self.let(f"{_CAST[a.type.element]}({self.text(a)} {sign} {self.text(b)})", a.type)

    def floating(self, sign: str, a: Any, b: Any) -> _Text:
        return self.let(f"{self.text(a)} {sign} {self.text(b)}", a.type)

    def fadd(self, a: Any, b: Any) -> _Text:
        return self.floating("+", a, b)

    def fsub(self, a: Any, b: Any) -> _Text:
        return self.floating("-", a, b)

    def fdiv(self, a: Any, b: Any) -> _Text:
        return self.floating("/", a, b)

    def fmul(self, a: Any, b: Any) -> _Text:
        return self.let(f"mul{_SUFFIX[a.type.element]}({self.text(a)}, {self.text(b)})", a.type)

    def add(self, a: Any, b: Any) -> _Text:
        return self.integer("+", a, b)

    def sub(self, a: Any, b: Any) -> _Text:
        return self.integer("-", a, b)

    def xor(self, a: Any, b: Any) -> _Text:
        return self.integer("^", a, b)

    def and_(self, a: Any, b: Any) -> _Text:
        return self.integer("&", a, b)

    def shl(self, a: Any, b: Any) -> _Text:
        return self.integer("<<", a, b)

    def ashr(self, a: Any, b: Any) -> _Text:
        return self.integer(">>", a, b)

    def lshr(self, a: Any, b: Any) -> _Text:
        cast, unsigned = _CAST[a.type.element], _UNSIGNED[a.type.element]
        return self.let(f"{cast}({unsigned}({self.text(a)}) >> {unsigned}({self.text(b)}))", a.type)

    def compare(self, sign: str, a: Any, b: Any) -> _Text:
        return self.let(f"{self.text(a)} {sign} {self.text(b)}", ir.VectorType(BIT, 1))

    fcmp_ordered = compare
    icmp_signed = compare

    def select(self, mask: Any, a: Any, b: Any) -> _Text:
        return self.let(f"select({self.text(mask)}, {self.text(a)}, {self.text(b)})", b.type)

    def bitcast(self, a: Any, kind: Any) -> _Text:
        wide = a.type.element in {DOUBLE, INT64}
        how = "bits" if a.type.element in _SUFFIX else "unbits"
        return self.let(f"{how}{64 if wide else 32}({self.text(a)})", kind)

    def _convert(self, a: Any, kind: Any) -> _Text:
        return self.let(f"{_CAST[kind.element]}({self.text(a)})", kind)

    sitofp = fptosi = _convert

    def call(self, function: Any, args: Any) -> _Text:
        name = function.name.split(".")[1]  # llvm.NAME.v1f32
        kind = args[0].type
        return self.let(f"{name}{_SUFFIX[kind.element]}({', '.join(self.text(a) for a in args)})", kind)


def _signed(number: Any, element: Any) -> Any:
    """Integer constants as the signed numbers they are to the compiler."""
    if element in _CAST and element in {INT32, INT64}:
        width = element.width
        return (int(number) + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))
    return number


def _definition(
    name: str, arguments: list[Any], function: Callable[..., Any], constants: dict[tuple[str, str], str]
) -> str:
    builder = _TextBuilder(constants)
    names = "abc"[: len(arguments)]
    result = function(*(Value(builder, _Text(n, ir.VectorType(e, 1))) for n, e in zip(names, arguments, strict=True)))
    values = result if isinstance(result, tuple) else (result,)
    returned = ", ".join(builder.text(value.value) for value in values)
    return _function(f"{name}({', '.join(names)})", [*builder.lines, f"return {returned}"])


def _function(head: str, lines: list[str]) -> str:
    return "\n".join(["@device", f"def {head}:", *("    " + line for line in lines)])


def philox_source() -> str:
    """normals(step, node, low, high): the four normals of `noise.normals`, Philox written out round by round."""
    lines = ["x0 = u32(step)", "x1 = u32(node)", "x2 = u32(low)", "x3 = u32(high)"]
    key = list(PURPOSE_NOISE)
    for _ in range(ROUNDS):
        lines += [
            f"p = u64(x0) * u64({MULTIPLIERS[0]})",
            f"r = u64(x2) * u64({MULTIPLIERS[1]})",
            f"x0 = u32(u32(r >> u64(32)) ^ x1 ^ u32({key[0]}))",
            "x1 = u32(r & u64(0xFFFFFFFF))",
            f"x2 = u32(u32(p >> u64(32)) ^ x3 ^ u32({key[1]}))",
            "x3 = u32(p & u64(0xFFFFFFFF))",
        ]
        key = [(k + w) & 0xFFFFFFFF for k, w in zip(key, WEYL, strict=True)]
    lines += [
        "a, b = box_muller(i32(x0), i32(x1))",
        "c, d = box_muller(i32(x2), i32(x3))",
        "return real(a), real(b), real(c), real(d)",
    ]
    return _function("normals(step, node, low, high)", lines)


def library(precision: str, simulated: bool, used: set[str], noisy: bool) -> list[str]:
    """Source of everything that a kernel calls: primitives, the elementary functions in `used`, the normals."""
    constants: dict[tuple[str, str], str] = {}
    element, suffix = (FLOAT, "32") if precision == "float32" else (DOUBLE, "64")
    traced = []
    for name in sorted(used):
        count = 2 if name in {"pow", "minimum", "maximum"} else 1
        traced.append(_definition(name, [element] * count, FUNCTIONS[name], constants))
    if noisy:
        traced += [_definition("box_muller", [INT32, INT32], _box_muller, constants), philox_source()]
    primitives = _SIMULATED if simulated else _DEVICE
    own = {
        "mul(a, b)": f"mul{suffix}(a, b)",
        "fma(a, b, c)": f"fma{suffix}(a, b, c)",
        "fms(a, b, c)": f"fma{suffix}(a, b, -c)",
        "fnma(a, b, c)": f"fma{suffix}(-a, b, c)",
    }
    return [
        "import numpy as np",
        "from numba import cuda, types",
        *([] if simulated else ["from numba.cuda import libdevice"]),
        "f32, f64, i32, i64, u32, u64 = np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64",
        f"real, kind = np.{precision}, types.{precision}",
        # The simulator calls plain functions; its own wrapper costs more than the work.
        "device = lambda function: function" if simulated else "device = cuda.jit(device=True)",
        *(_function(head, [f"return {body}"]) for head, body in {**primitives, **_COMMON, **own}.items()),
        _function("store(array, place, value)", ["array[u64(place)] = value"]),
        *(f"{name} = {cast}({written})" for (cast, written), name in constants.items()),
        *traced,
    ]

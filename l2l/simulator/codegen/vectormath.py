# mypy: disable-error-code="misc, no-untyped-call, no-any-return, untyped-decorator, no-untyped-def"
# ruff: noqa: ARG001, ARG005 -- Numba prescribes the signatures
"""Elementary functions of SIMD values, written once at the level of LLVM instructions.

float32 polynomials are those of the Cephes library (Moshier), float64 ones Taylor and Chebyshev series after exact
range reduction; errors are a few units in the last place. NaN gives NaN, overflow infinity.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from l2l.simulator.codegen.vector import DOUBLE, FLOAT, INT32, INT64, VecType, splat
from l2l.simulator.noise import COS, LOG, SIN


class Value:
    """An LLVM vector under construction, with Python's operators."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    @property
    def type(self) -> Any:
        return self.value.type

    @property
    def single(self) -> bool:
        return bool(self.type.element == FLOAT)

    @property
    def is_float(self) -> bool:
        return isinstance(self.type.element, ir.FloatType | ir.DoubleType)

    def of(self, other: Any) -> Any:
        """`other` as an LLVM value of this type."""
        if isinstance(other, Value):
            return other.value
        if isinstance(other, int | float | np.number):
            number: float = float(other)
            if self.single:
                number = float(np.float32(number))
            return ir.Constant(self.type, [number if self.is_float else int(other)] * self.type.count)
        return splat(self.builder, other, self.type)

    def _binary(self, other: Any, floating: str, integer: str, swap: bool = False) -> Value:
        a, b = self.value, self.of(other)
        if swap:
            a, b = b, a
        return Value(self.builder, getattr(self.builder, floating if self.is_float else integer)(a, b))

    def __add__(self, other: Any) -> Value:
        return self._binary(other, "fadd", "add")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Value:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other: Any) -> Value:
        return self._binary(other, "fsub", "sub", swap=True)

    def __mul__(self, other: Any) -> Value:
        return self._binary(other, "fmul", "mul")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Value:
        return self._binary(other, "fdiv", "sdiv")

    def __rtruediv__(self, other: Any) -> Value:
        return self._binary(other, "fdiv", "sdiv", swap=True)

    def __xor__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.xor(self.value, self.of(other)))

    def __and__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.and_(self.value, self.of(other)))

    def __or__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.or_(self.value, self.of(other)))

    def __lshift__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.shl(self.value, self.of(other)))

    def __rshift__(self, other: Any) -> Value:
        """Logical shift: zeros come in."""
        return Value(self.builder, self.builder.lshr(self.value, self.of(other)))

    def arithmetic_shift(self, other: Any) -> Value:
        return Value(self.builder, self.builder.ashr(self.value, self.of(other)))

    def compare(self, sign: str, other: Any) -> Value:
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return Value(self.builder, compare(sign, self.value, self.of(other)))

    def select(self, a: Any, b: Value) -> Value:
        """a where this mask holds, b elsewhere."""
        return Value(self.builder, self.builder.select(self.value, b.of(a), b.value))

    def clamp(self, low: float, high: float) -> Value:
        """Between low and high; NaN stays NaN."""
        above = self.compare(">", high).select(high, self)
        return above.compare("<", low).select(low, above)

    def call(self, name: str, *others: Any) -> Value:
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(self.type, [self.type] * (1 + len(others))),
            f"llvm.{name}.v{self.type.count}{'f32' if self.single else 'f64'}",
        )
        return Value(self.builder, self.builder.call(function, [self.value, *(self.of(o) for o in others)]))

    def fma(self, factor: Any, addend: Any) -> Value:
        """self*factor + addend, rounded once."""
        return self.call("fma", factor, addend)

    def cast(self, how: str, element: Any) -> Value:
        return Value(self.builder, getattr(self.builder, how)(self.value, ir.VectorType(element, self.type.count)))

    def bits(self) -> Value:
        return self.cast("bitcast", INT32 if self.single else INT64)


def horner(x: Value, coefficients: Any) -> Value:
    """The polynomial with these coefficients, highest power first."""
    result = Value(x.builder, x.of(coefficients[0]))
    for coefficient in coefficients[1:]:
        result = result.fma(x, coefficient)
    return result


def _exp_parts(x: Value, finite: bool = False) -> tuple[Value, Value]:
    """(exp(r) - 1, 2**n) with x = n ln 2 + r and |r| <= ln(2)/2; 2**n overflows unless `finite`."""
    if x.single:
        x = x.clamp(-88.0, 88.0 if finite else 88.9)
        n = (x * 1.44269504088896341).call("rint")
        r = n.fma(2.12194440e-4, n.fma(-0.693359375, x))
        p = horner(r, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5))
        power = ((n.cast("fptosi", INT32) + 127) << 23).cast("bitcast", FLOAT)
    else:
        x = x.clamp(-709.0, 709.0 if finite else 709.9)
        n = (x * 1.4426950408889634).call("rint")
        r = n.fma(-1.42860682030941723212e-6, n.fma(-6.93145751953125e-1, x))
        p = horner(r, [1 / math.factorial(k) for k in range(14, 1, -1)])
        power = ((n.cast("fptosi", INT64) + 1023) << 52).cast("bitcast", DOUBLE)
    return p.fma(r * r, r), power


def exp(x: Value) -> Value:
    q, power = _exp_parts(x)
    return (q + 1.0) * power


def expm1(x: Value) -> Value:
    """exp(x) - 1; grows no further where exp(x) would overflow."""
    q, power = _exp_parts(x, finite=True)
    return q.fma(power, power - 1.0)  # exact to rounding, also near 0


def exprel(x: Value) -> Value:
    return x.compare("==", 0.0).select(1.0, expm1(x) / x)


def bernoulli(x: Value) -> Value:
    return x.compare("==", 0.0).select(1.0, x / expm1(x))


def log_positive(x: Value) -> Value:
    """log of a normal positive number."""
    if x.single:
        bits = x.bits()
        e = (bits - 0x3F3504F3).arithmetic_shift(23)
        m = (bits - (e << 23)).cast("bitcast", FLOAT) - 1.0
        z = m * m
        tail = z * (m * horner(m, LOG))
        return e.cast("sitofp", FLOAT).fma(0.693147180559945, m + z.fma(-0.5, tail))
    bits = x.bits()
    e = (bits - 0x3FE6A09E667F3BCD).arithmetic_shift(52)
    m = (bits - (e << 52)).cast("bitcast", DOUBLE)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    series = horner(z, [2.0 / (2 * k + 1) for k in range(11, 0, -1)])
    exponent = e.cast("sitofp", DOUBLE)
    return exponent.fma(
        6.93147180369123816490e-01, (s + s) + (s * z).fma(series, exponent * 1.90821492927058770002e-10)
    )


def log(x: Value) -> Value:
    infinity = math.inf
    tiny = 1.1754943508222875e-38 if x.single else 2.2250738585072014e-308
    # Denormals are scaled into the normal range.
    scale, shift = (2.0**24, 24 * math.log(2)) if x.single else (2.0**54, 54 * math.log(2))
    small = x.compare("<", tiny)
    y = log_positive(small.select(x * scale, x)) - small.select(shift, x * 0.0)
    y = x.compare("==", infinity).select(infinity, y)
    y = x.compare("==", 0.0).select(-infinity, y)
    return x.compare(">=", 0.0).select(y, Value(x.builder, x.of(math.nan)))


def sincos_quadrant(f: Value, quadrant: Value) -> tuple[Value, Value]:
    """sine and cosine of f + quadrant*pi/2, |f| <= pi/4."""
    z = f * f
    if f.single:
        s = (horner(z, SIN) * z).fma(f, f)
        c = (horner(z, COS) * z).fma(z, z.fma(-0.5, 1.0))
        sign, integer = 30, INT32
    else:
        s = (horner(z, [(-1) ** k / math.factorial(2 * k + 1) for k in range(8, 0, -1)]) * z).fma(f, f)
        c = horner(z, [(-1) ** k / math.factorial(2 * k) for k in range(9, -1, -1)])
        sign, integer = 62, INT64
    odd = (quadrant & 1).compare("!=", 0)
    sine, cosine = odd.select(c, s), odd.select(s, c)
    element = f.type.element
    flip_sine, flip_cosine = (quadrant & 2) << sign, ((quadrant + 1) & 2) << sign
    return (
        (sine.cast("bitcast", integer) ^ flip_sine).cast("bitcast", element),
        (cosine.cast("bitcast", integer) ^ flip_cosine).cast("bitcast", element),
    )


def sincos(x: Value) -> tuple[Value, Value]:
    k = (x * 0.6366197723675814).call("rint")
    if x.single:
        r = k.fma(-7.54978995489188e-8, k.fma(-4.837512969970703125e-4, k.fma(-1.5703125, x)))
        return sincos_quadrant(r, k.cast("fptosi", INT32))
    r = k.fma(-6.123233995736766e-17, k.fma(-1.5707963267948966, x))
    return sincos_quadrant(r, k.cast("fptosi", INT64))


def tan(x: Value) -> Value:
    s, c = sincos(x)
    return s / c


def tanh(x: Value) -> Value:
    e = expm1(x.clamp(-20.0, 20.0) * 2.0)
    return e / (e + 2.0)


def sinh(x: Value) -> Value:
    # By symmetry of the argument's size: for large negative x, e + 1 would be 0.
    e = expm1(x.call("fabs"))
    y = (e + e / (e + 1.0)) * 0.5
    return x.compare("<", 0.0).select(y * -1.0, y)


def cosh(x: Value) -> Value:
    e = exp(x.call("fabs"))
    return (e + 1.0 / e) * 0.5


@functools.cache
def _erfc_series(single: bool) -> tuple[float, ...]:
    """Chebyshev series of log(erfcx(z)/t), t = 2/(2 + z), on z >= 0, in the variable 2t - 1."""
    from scipy.special import erfcx

    degree = 11 if single else 29

    def target(y: Any) -> Any:
        t = np.maximum((np.asarray(y) + 1) / 2, 1e-12)
        return np.log(erfcx(2 / t - 2) / t)

    return tuple(np.polynomial.chebyshev.chebinterpolate(target, degree))


def erfc(x: Value) -> Value:
    z = x.call("fabs")
    t = 2.0 / (z + 2.0)
    y = t * 2.0 - 1.0
    coefficients = _erfc_series(x.single)
    # Clenshaw's recurrence
    twice, b1, b2 = y * 2.0, Value(x.builder, x.of(0.0)), Value(x.builder, x.of(0.0))
    for coefficient in coefficients[:0:-1]:
        b1, b2 = twice.fma(b1, coefficient - b2), b1
    series = y.fma(b1, coefficients[0] - b2)
    positive = t * exp(series - z * z)
    return x.compare("<", 0.0).select(2.0 - positive, positive)


def power(x: Value, y: Value) -> Value:
    """x**y for x >= 0; integer powers never come here."""
    return exp(y * log(x))


def minimum(x: Value, y: Value) -> Value:
    return y.compare("<", x).select(y, x)


def maximum(x: Value, y: Value) -> Value:
    return y.compare(">", x).select(y, x)


def _unary(name: str, kernel: Callable[[Value], Value]) -> Any:
    @intrinsic
    def function(typing_context, x):
        if not isinstance(x, VecType):
            return None
        return x(x), lambda context, builder, sig, args: kernel(Value(builder, args[0])).value

    function.__name__ = name
    return function


def _binary(name: str, kernel: Callable[[Value, Value], Value]) -> Any:
    @intrinsic
    def function(typing_context, x, y):
        vec = x if isinstance(x, VecType) else y
        if not isinstance(vec, VecType):
            return None
        sig = vec(*(a if isinstance(a, VecType) else vec.element for a in (x, y)))

        def generate(context, builder, sig, args):
            vector = next(Value(builder, a) for a, t in zip(args, sig.args, strict=True) if isinstance(t, VecType))
            return kernel(*(Value(builder, vector.of(a) if not isinstance(t, VecType) else a)
                            for a, t in zip(args, sig.args, strict=True))).value  # fmt: skip

        return sig, generate

    function.__name__ = name
    return function


# The names under which generated source calls them.
VECTOR_FUNCTIONS: dict[str, Any] = {
    "exp": _unary("exp", exp),
    "expm1": _unary("expm1", expm1),
    "exprel": _unary("exprel", exprel),
    "bernoulli": _unary("bernoulli", bernoulli),
    "log": _unary("log", log),
    "sqrt": _unary("sqrt", lambda x: x.call("sqrt")),
    "sin": _unary("sin", lambda x: sincos(x)[0]),
    "cos": _unary("cos", lambda x: sincos(x)[1]),
    "tan": _unary("tan", tan),
    "sinh": _unary("sinh", sinh),
    "cosh": _unary("cosh", cosh),
    "tanh": _unary("tanh", tanh),
    "abs": _unary("abs", lambda x: x.call("fabs")),
    "floor": _unary("floor", lambda x: x.call("floor")),
    "ceil": _unary("ceil", lambda x: x.call("ceil")),
    "erfc": _unary("erfc", erfc),
    "pow": _binary("pow", power),
    "minimum": _binary("minimum", minimum),
    "maximum": _binary("maximum", maximum),
}

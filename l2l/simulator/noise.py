"""Counter-based noise: a number depends on (seed, node, variable, step) and on nothing else.

Philox4x32-10 (Salmon et al. 2011), key = purpose, counter = (step, variable << 24 | node // 4, seed low, seed high);
its four words give the normals of four consecutive nodes by Box-Muller in float32. Seeds stand in the counter, so two
simulations never share a block of numbers. The kernels compute the same with the same operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest

PURPOSE_NOISE = (0x6C326C00, 0x00000001)
PURPOSE_INITIAL = (0x6C326C00, 0x00000002)
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
MAX_NODES = 1 << 24
MAX_VARIABLES = 1 << 8

# Polynomials of the Cephes library (Moshier), highest power first.
LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
       2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
# -2 log(1 + m) = y + y*y*(1/4 + y/4*LOG(-y/2)), y = -2 m: with powers of two in the coefficients, exact.
MINUS_TWO_LOG = (*(c * (-0.5) ** (len(LOG) - 1 - k) / 4 for k, c in enumerate(LOG)), 0.25)
MINUS_TWO_LN2 = -2 * 0.693147180559945
TURN = 2 * np.pi / 2.0**32

UInt32 = NDArray[np.uint32]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Additive:
    """Additive white noise. Give one of D and sigma, or neither with `given` (then sigma is 1).

    D: the increment of a step is sqrt(2 D dt) z, z ~ N(0, 1) (the convention of The Virtual Brain).
    sigma: the increment of a step is sigma sqrt(dt) z.
    Both: a number for all states, or by state name; each value a number, (simulation,), (node,) or (simulation, node).
    given: (step, variable, node) standard normals to use instead of drawn ones, for all states, the same for every
    simulation.
    """

    D: Any = None
    sigma: Any = None
    given: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.D is not None and self.sigma is not None:
            raise SimulationError("noise takes D or sigma, but got both")
        if self.D is None and self.sigma is None and self.given is None:
            raise SimulationError("noise takes D or sigma, but got neither")

    def sigmas(self, states: tuple[str, ...]) -> dict[str, Any]:
        """sigma by state name, as given: numbers or arrays."""
        values = self.sigma if self.D is None else self.D
        if values is None:
            values = 1.0
        by_name = dict(values) if isinstance(values, Mapping) else dict.fromkeys(states, values)
        result = {}
        for name, value in by_name.items():
            array = np.asarray(value, dtype=np.float64)
            if not (np.isfinite(array).all() and (array >= 0).all()):
                raise SimulationError(f"noise of {name} must be finite and >= 0, but got {value!r}")
            result[name] = array if self.D is None else np.sqrt(2 * array)
        return result


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiplicative(Additive):
    """White noise whose strength depends on the state: the increment of a step is g(x) sigma sqrt(dt) z.

    factor: g by state name, an expression over states, parameters, coupling inputs and derived quantities; other
        states get no noise. It takes the place of the model's own factors.
    D, sigma: as in `Additive`; neither: sigma is 1.
    g is taken at the start of the step in every stage, as The Virtual Brain does: what converges is the Itô equation.
    """

    factor: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.D is None and self.sigma is None:
            object.__setattr__(self, "sigma", 1.0)
        super().__post_init__()

    def sigmas(self, states: tuple[str, ...]) -> dict[str, Any]:
        return _with_factor(super().sigmas(_factored(self.factor, states)), self.factor, states)


@dataclass(frozen=True, eq=False, kw_only=True)
class Coloured(Additive):
    """Ornstein-Uhlenbeck noise with correlation time `tau`, in the convention of The Virtual Brain.

    Each step: eta <- eta E + sqrt(1 - E**2) z, E = exp(-dt/tau); its increment is dt sqrt(1/tau) eta sqrt(2 D) (or
    sigma in place of sqrt(2 D)). So eta has variance 1 and autocorrelation exp(-t/tau). It is a state of its own:
    `Final` carries it on.

    tau: ms, > 0; for all states or by state name, each a number, (simulation,), (node,) or (simulation, node).
    start: eta at the start, likewise; None: drawn from its stationary distribution.
    given: (step, variable, node) normals; with one row more, the first is `start`.
    factor: g by state name, as in `Multiplicative`: the increment is g(x), at the start of the step, times the above.
        With dt well below tau each path solves x' = f(x) + g(x) eta(t) sigma/sqrt(tau), which for short tau is the
        equation of Stratonovich.
    """

    tau: Any
    start: Any = None
    factor: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.factor is not None and self.D is None and self.sigma is None:
            object.__setattr__(self, "sigma", 1.0)
        super().__post_init__()

    def sigmas(self, states: tuple[str, ...]) -> dict[str, Any]:
        if self.factor is None:
            return super().sigmas(states)
        return _with_factor(super().sigmas(_factored(self.factor, states)), self.factor, states)

    def by_name(self, what: str, names: Iterable[str]) -> dict[str, Any]:
        """`tau` or `start` of each state; raises SimulationError for a state without noise or without a value."""
        names = list(names)
        value = getattr(self, what)
        if not isinstance(value, Mapping):
            return dict.fromkeys(names, value)
        for name in value:
            if name not in names:
                raise SimulationError(f"{what} of a state without noise, {name!r}; {nearest(name, names)}")
        for name in names:
            if name not in value:
                raise SimulationError(f"{what} must name every state with noise, but lacks {name!r}")
        return dict(value)


def _factored(factor: Mapping[str, str], states: tuple[str, ...]) -> tuple[str, ...]:
    """The states that a factor is given for; raises SimulationError for an unknown one."""
    for name in factor:
        if name not in states:
            raise SimulationError(f"noise factor of an unknown state variable {name!r}; {nearest(name, states)}")
    return tuple(name for name in states if name in factor)


def _with_factor(sigmas: dict[str, Any], factor: Mapping[str, str], states: tuple[str, ...]) -> dict[str, Any]:
    """`sigmas`; raises SimulationError where a state has a strength but no factor."""
    for name in sigmas:
        if name in states and name not in factor:
            raise SimulationError(f"a state with noise must have a factor, but {name!r} has none; write {name!r}: '1'")
    return sigmas


def philox(c0: Any, c1: Any, c2: Any, c3: Any, key: tuple[int, int]) -> tuple[UInt32, UInt32, UInt32, UInt32]:
    """Philox4x32-10 of broadcastable uint32 counters."""
    words = np.broadcast_arrays(*(np.asarray(c, dtype=np.uint64) for c in (c0, c1, c2, c3)))
    x0, x1, x2, x3 = words
    low = np.uint64(0xFFFFFFFF)
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = x0 * np.uint64(MULTIPLIERS[0]), x2 * np.uint64(MULTIPLIERS[1])
        x0, x1, x2, x3 = (
            (p1 >> np.uint64(32)) ^ x1 ^ np.uint64(k0),
            p1 & low,
            (p0 >> np.uint64(32)) ^ x3 ^ np.uint64(k1),
            p0 & low,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return x0.astype(np.uint32), x1.astype(np.uint32), x2.astype(np.uint32), x3.astype(np.uint32)


def _fma(a: Any, b: Any, c: Any) -> Float32:
    """a*b + c of float32 values, rounded once (the product is exact in float64)."""
    return np.asarray(np.float64(a) * np.float64(b) + np.float64(c)).astype(np.float32)


def _horner(x: Float32, coefficients: tuple[float, ...]) -> Float32:
    result = np.full_like(x, np.float32(coefficients[0]))
    for coefficient in coefficients[1:]:
        result = _fma(result, x, np.float32(coefficient))
    return result


def box_muller(a: UInt32, b: UInt32) -> tuple[Float32, Float32]:
    """Two standard normals of two uniform words, float32.

    a: the radius, by its upper 24 bits. b: the angle, its lower 30 bits within a quarter turn about an axis; which of
    the two is the larger, and the sign of that, by its two upper bits.
    """
    u = _fma((a >> np.uint32(8)).astype(np.float32), np.float32(2.0**-24), np.float32(2.0**-25))
    bits = u.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    y = _fma((bits - (exponent << np.int32(23))).view(np.float32), np.float32(-2), np.float32(2))
    rest = _fma(y * y, _horner(y, MINUS_TWO_LOG), y)
    radius = np.sqrt(_fma(exponent.astype(np.float32), np.float32(MINUS_TWO_LN2), rest))
    f = (b << np.uint32(2)).view(np.int32).astype(np.float32) * np.float32(TURN / 4)
    z = f * f
    smaller = _fma(_horner(z, SIN), f * z, f)
    larger = _fma(_fma(_horner(z, COS), z, np.float32(-0.5)), z, np.float32(1))
    larger = np.where(b & np.uint32(0x80000000), -larger, larger)
    turned = (b & np.uint32(0x40000000)) != 0
    return radius * np.where(turned, smaller, larger), radius * np.where(turned, larger, smaller)


def _split(seeds: NDArray[np.uint64]) -> tuple[UInt32, UInt32]:
    return (seeds & np.uint64(0xFFFFFFFF)).astype(np.uint32), (seeds >> np.uint64(32)).astype(np.uint32)


def normals(seeds: NDArray[np.uint64], variable: int, nodes: int, step: int) -> Float32:
    """(simulation, node) standard normals of one step of one state variable."""
    low, high = _split(np.atleast_1d(seeds))
    group = np.arange(-(-nodes // 4), dtype=np.uint32) | np.uint32(variable << 24)
    words = philox(step & 0xFFFFFFFF, group[None, :], low[:, None], high[:, None], PURPOSE_NOISE)
    four = np.stack([*box_muller(words[0], words[1]), *box_muller(words[2], words[3])], axis=-1)
    return four.reshape(len(low), -1)[:, :nodes]


def initial_normals(seeds: NDArray[np.uint64], variable: int, nodes: int) -> NDArray[np.float64]:
    """(simulation, node) standard normals for the initial values of one state variable."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniforms(seeds, variable, nodes)))


def uniforms(seeds: NDArray[np.uint64], variable: int, nodes: int) -> NDArray[np.float64]:
    """(simulation, node) uniform numbers in (0, 1) for the initial values of one state variable."""
    low, high = _split(np.atleast_1d(seeds))
    node = np.arange(nodes, dtype=np.uint32) | np.uint32(variable << 24)
    word = philox(0, node[None, :], low[:, None], high[:, None], PURPOSE_INITIAL)[0]
    return (word.astype(np.float64) + 0.5) * 2.0**-32

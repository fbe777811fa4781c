"""Coupling functions as data: what a node sends, and what it makes of the weighted sum it receives.

Each is written so that it is linear in what is sent: the network then only adds weighted channels, S0, S1, ...
With x_j the source of the sending node, x_i that of the receiving node (its current state), k_i = sum_j W_ij.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from l2l.errors import ModelError, nearest
from l2l.simulator.model import Model, Parameter


@dataclass(frozen=True)
class CouplingFunction:
    """A coupling function.

    channels: what is sent, expressions over x_j and the parameters; `S0`, `S1`, ... are their weighted sums.
    receive: what the equations read, an expression over the sums, x_i, k_i and the parameters.
    pre: in place of `channels`, an expression over x_j and x_i; `S` is its weighted sum. It is split into channels
        where that can be done, and evaluated for each connection where not.
    strength: the parameter that scales the whole: the one that `parameters={"G": ...}` sets.
    """

    name: str
    parameters: tuple[Parameter, ...]
    channels: tuple[str, ...]
    receive: str
    strength: str | None
    source: str = ""
    pre: str = ""


LINEAR = CouplingFunction(
    "Linear",
    (Parameter("a", 0.00390625, description="strength"), Parameter("b", 0.0, description="offset")),
    ("x_j",),
    "a*S0 + b",
    "a",
)
SCALING = CouplingFunction("Scaling", (Parameter("a", 0.00390625, description="strength"),), ("x_j",), "a*S0", "a")
DIFFERENCE = CouplingFunction(
    "Difference", (Parameter("a", 0.1, description="strength"),), ("x_j",), "a*(S0 - k_i*x_i)", "a"
)
KURAMOTO = CouplingFunction(
    "Kuramoto",
    (Parameter("a", 1.0, description="strength; not divided by the number of nodes"),),
    # sin(x_j - x_i) = sin(x_j)*cos(x_i) - cos(x_j)*sin(x_i)
    ("sin(x_j)", "cos(x_j)"),
    "a*(S0*cos(x_i) - S1*sin(x_i))",
    "a",
    "Kuramoto (1975), Lect. Notes Phys. 39:420",
)
SIGMOIDAL = CouplingFunction(
    "Sigmoidal",
    (
        Parameter("cmin", -1.0, description="smallest value"),
        Parameter("cmax", 1.0, description="largest value"),
        Parameter("midpoint", 0.0, description="input of the middle value"),
        Parameter("a", 1.0, description="slope"),
        Parameter("sigma", 230.0, description="width", minimum=0.0, exclusive=True),
    ),
    ("x_j",),
    "cmin + (cmax - cmin)/(1 + exp(-a*(S0 - midpoint)/sigma))",
    None,
)
HYPERBOLIC_TANGENT = CouplingFunction(
    "HyperbolicTangent",
    (
        Parameter("a", 1.0, description="strength"),
        Parameter("b", 1.0, description="scale of the input"),
        Parameter("midpoint", 0.0, description="input of the middle value"),
        Parameter("sigma", 1.0, description="width", minimum=0.0, exclusive=True),
    ),
    ("1 + tanh((b*x_j - midpoint)/sigma)",),
    "a*S0",
    "a",
)
SIGMOIDAL_JANSEN_RIT = CouplingFunction(
    "SigmoidalJansenRit",
    (
        Parameter("cmin", 0.0, description="smallest value"),
        Parameter("cmax", 0.005, description="largest value"),
        Parameter("midpoint", 6.0, description="input of the middle value"),
        Parameter("r", 0.56, description="slope"),
        Parameter("a", 1.0, description="strength"),
    ),
    ("cmin + (cmax - cmin)/(1 + exp(r*(midpoint - x_j)))",),
    "a*S0",
    "a",
    "Jansen, Rit (1995), Biol. Cybern. 73:357",
)
PRE_SIGMOIDAL = CouplingFunction(
    "PreSigmoidal",
    (
        Parameter("H", 0.5, description="strength"),
        Parameter("Q", 1.0, description="offset of the sigmoid"),
        Parameter("G", 60.0, description="slope of the sigmoid"),
        Parameter("P", 1.0, description="scale of the input"),
        Parameter("theta", 0.5, description="threshold"),
    ),
    ("Q + tanh(G*(P*x_j - theta))",),
    "H*S0",
    "H",
)

FUNCTIONS: dict[str, CouplingFunction] = {
    f.name: f
    for f in (
        LINEAR, SCALING, DIFFERENCE, KURAMOTO, SIGMOIDAL, HYPERBOLIC_TANGENT, SIGMOIDAL_JANSEN_RIT, PRE_SIGMOIDAL
    )
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Coupling:
    """A coupling function with values: each a number, (simulation,), (node,) or (simulation, node)."""

    function: CouplingFunction
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [p.name for p in self.function.parameters]
        for name in self.values:
            if name not in known:
                raise ModelError(f"{self.function.name} coupling has no parameter {name!r}; {nearest(name, known)}")


Given = str | Coupling | Sequence[Coupling]
Terms = dict[str, list[tuple[str, Coupling]]]


def get(name: str) -> Coupling:
    """The coupling of that name with its default values; raises ModelError with the nearest one."""
    if name not in FUNCTIONS:
        raise ModelError(f"unknown coupling {name!r}; {nearest(name, FUNCTIONS)}")
    return Coupling(FUNCTIONS[name])


def as_terms(given: str | Coupling | Mapping[str, Given] | None, model: Model) -> Terms:
    """For each coupling input of `model` the couplings that add up to it, each with the prefix of its parameters.

    A single coupling serves all inputs (prefix ""), but for those whose function the model fixes. Of several, the
    parameters are named after their input: "c_V.a", or "c_V.0.a", "c_V.1.a" where an input has more than one.
    A name stands for a coupling with its default values, None for the model's usual one. Raises ModelError for an
    unknown input or name.
    """
    symbols = [received.symbol for received in model.inputs]
    usual = get(model.coupling)
    if given is None:
        given = usual
    if isinstance(given, str):
        given = get(given)
    if not isinstance(given, Coupling | Mapping):
        raise ModelError(f"coupling must be a Coupling, or couplings by input of the model, but got {given!r}")
    for name in given if isinstance(given, Mapping) else ():
        if name not in symbols:
            raise ModelError(f"{model.name} has no coupling input {name!r}; {nearest(name, symbols)}")
    terms: Terms = {}
    for received in model.inputs:
        if isinstance(given, Mapping) and received.symbol in given:
            own = given[received.symbol]
            several = [own] if isinstance(own, Coupling) else [get(own)] if isinstance(own, str) else list(own)
            if not several or not all(isinstance(one, Coupling) for one in several):
                raise ModelError(f"coupling of {received.symbol!r} must be a Coupling, or several, but got {own!r}")
            number = len(several) > 1
            terms[received.symbol] = [
                (f"{received.symbol}.{i}." if number else f"{received.symbol}.", one) for i, one in enumerate(several)
            ]
        elif received.coupling is not None:
            terms[received.symbol] = [(f"{received.symbol}.", get(received.coupling))]
        else:
            one = usual if isinstance(given, Mapping) else given
            terms[received.symbol] = [(f"{received.symbol}." if isinstance(given, Mapping) else "", one)]
    return terms


def Custom(pre: str, post: str = "a*S", parameters: Mapping[str, Any] | None = None) -> Coupling:
    """`post` of S = sum_j W_ij pre(x_j, x_i).

    pre: expression over x_j (the sending node, delayed), x_i (the receiving node, now) and the parameters.
    post: expression over S, x_i, k_i = sum_j W_ij and the parameters.
    parameters: values by name, each a number, (simulation,), (node,) or (simulation, node); default {"a": 1.0}.

    `pre` is split into functions of one node where that can be done (sums, products, integer powers; sin, cos, sinh,
    cosh, exp of sums): the weighted sums then cost what Linear's do, but small differences of large terms lose digits,
    as in (x_j - x_i)**4, and exp(x_j)*exp(-x_i) may overflow. What cannot be split, such as tanh(x_j - x_i), is
    evaluated for each connection, which is slower.
    """
    values = dict({"a": 1.0} if parameters is None else parameters)
    declared = tuple(Parameter(name, 0.0) for name in values)
    return Coupling(CouplingFunction("Custom", declared, (), post, "a" if "a" in values else None, pre=pre), values)


def Linear(a: Any = 0.00390625, b: Any = 0.0) -> Coupling:
    """a * sum_j W_ij x_j + b."""
    return Coupling(LINEAR, {"a": a, "b": b})


def Scaling(a: Any = 0.00390625) -> Coupling:
    """a * sum_j W_ij x_j."""
    return Coupling(SCALING, {"a": a})


def Difference(a: Any = 0.1) -> Coupling:
    """a * sum_j W_ij (x_j - x_i)."""
    return Coupling(DIFFERENCE, {"a": a})


def Kuramoto(a: Any = 1.0) -> Coupling:
    """a * sum_j W_ij sin(x_j - x_i)."""
    return Coupling(KURAMOTO, {"a": a})


def Sigmoidal(cmin: Any = -1.0, cmax: Any = 1.0, midpoint: Any = 0.0, a: Any = 1.0, sigma: Any = 230.0) -> Coupling:
    """A sigmoid of the weighted sum, from cmin to cmax."""
    return Coupling(SIGMOIDAL, {"cmin": cmin, "cmax": cmax, "midpoint": midpoint, "a": a, "sigma": sigma})


def HyperbolicTangent(a: Any = 1.0, b: Any = 1.0, midpoint: Any = 0.0, sigma: Any = 1.0) -> Coupling:
    """sum_j W_ij a (1 + tanh((b x_j - midpoint)/sigma))."""
    return Coupling(HYPERBOLIC_TANGENT, {"a": a, "b": b, "midpoint": midpoint, "sigma": sigma})


def SigmoidalJansenRit(
    cmin: Any = 0.0, cmax: Any = 0.005, midpoint: Any = 6.0, r: Any = 0.56, a: Any = 1.0
) -> Coupling:
    """a * sum_j W_ij (cmin + (cmax - cmin)/(1 + exp(r (midpoint - x_j))))."""
    return Coupling(SIGMOIDAL_JANSEN_RIT, {"cmin": cmin, "cmax": cmax, "midpoint": midpoint, "r": r, "a": a})


def PreSigmoidal(H: Any = 0.5, Q: Any = 1.0, G: Any = 60.0, P: Any = 1.0, theta: Any = 0.5) -> Coupling:
    """H * sum_j W_ij (Q + tanh(G (P x_j - theta))), with the delayed state of the sending node."""
    return Coupling(PRE_SIGMOIDAL, {"H": H, "Q": Q, "G": G, "P": P, "theta": theta})

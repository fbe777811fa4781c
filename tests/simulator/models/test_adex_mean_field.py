"""The AdEx mean field: transfer function, exact derivatives, both orders, and where The Virtual Brain differs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov
from scipy.special import erfc

from l2l.simulator import monitors
from l2l.simulator.codegen.calculus import differentiate
from l2l.simulator.codegen.expression import evaluate, symbol
from l2l.simulator.codegen.parser import parse
from l2l.simulator.models import ZerlautAdaptationFirstOrder, ZerlautAdaptationSecondOrder
from l2l.simulator.models.adex_mean_field import PARAMETERS, transfer_derivatives, transfer_function

# Where the asynchronous irregular state is stable: 3 Hz of drive to both populations, no adaptation.
DRIVEN: dict[str, Any] = {"external_input_ex_ex": 0.003, "external_input_in_ex": 0.003, "b_e": 0.0, "a_e": 0.0}


def transfer(
    v: SimpleNamespace, p: str, r_e: Any, r_i: Any, excitation: Any, inhibition: Any, W: Any
) -> tuple[Any, Any]:
    """(F, mu_V) written from di Volo et al. (2019), equations 5 to 11. Works for complex rates too."""
    P = [getattr(v, f"P_{p}{n}") for n in range(10)]
    nu_e = (r_e + 1e-6) * (1 - v.g) * v.p_connect_e * v.N_tot + excitation * v.K_ext_e
    nu_i = (r_i + 1e-6) * v.g * v.p_connect_i * v.N_tot + inhibition * v.K_ext_i
    G_e, G_i = nu_e * v.tau_e * v.Q_e, nu_i * v.tau_i * v.Q_i
    G = G_e + G_i + v.g_L
    tau_m = v.C_m / G
    mu = (G_e * v.E_e + G_i * v.E_i + v.g_L * getattr(v, f"E_L_{p}") - W) / G
    U_e, U_i = v.Q_e / G * (v.E_e - mu), v.Q_i / G * (v.E_i - mu)
    square_e, square_i = nu_e * (U_e * v.tau_e) ** 2, nu_i * (U_i * v.tau_i) ** 2
    sigma = np.sqrt(square_e / (2 * (tau_m + v.tau_e)) + square_i / (2 * (tau_m + v.tau_i)))
    tau_V = (square_e + square_i) / (square_e / (tau_m + v.tau_e) + square_i / (tau_m + v.tau_i))
    x, y, z = (mu + 60) / 10, (sigma - 4) / 6, tau_V * v.g_L / v.C_m - 0.5
    threshold = P[0] + P[1] * x + P[2] * y + P[3] * z + P[4] * x**2 + P[5] * y**2 + P[6] * z**2
    threshold = 1000 * (threshold + P[7] * x * y + P[8] * x * z + P[9] * y * z)
    return erfc((threshold - mu) / (np.sqrt(2) * sigma)) / (2 * tau_V), mu


def rates(v: SimpleNamespace, r_e: Any, r_i: Any, order: int) -> tuple[Any, Any, Any, Any]:
    """(F_e, F_i, mu_V_e, mu_V_i) with the inputs of each order."""
    noise = v.weight_noise * v.ou_drift
    if order == 1:
        cut = np.maximum(v.c + noise, 0)
        to_e, to_i = cut + v.external_input_ex_ex, cut + v.external_input_in_ex
    else:
        to_e = np.maximum(v.c + v.external_input_ex_ex + noise, 0)
        to_i = np.maximum(v.S_i * v.c + v.external_input_in_ex + noise, 0)
    F_e, mu_e = transfer(v, "e", r_e, r_i, to_e, v.external_input_ex_in, v.W_e)
    F_i, mu_i = transfer(v, "i", r_e, r_i, to_i, v.external_input_in_in, v.W_i)
    return F_e, F_i, mu_e, mu_i


def slow(v: SimpleNamespace, mu_e: Any, mu_i: Any) -> dict[str, Any]:
    return {
        "W_e": -v.W_e / v.tau_w_e + v.b_e * v.E + v.a_e * (mu_e - v.E_L_e) / v.tau_w_e,
        "W_i": -v.W_i / v.tau_w_i + v.b_i * v.I + v.a_i * (mu_i - v.E_L_i) / v.tau_w_i,
        "ou_drift": -v.ou_drift / v.tau_OU,
    }


@pytest.fixture
def values(draw):
    def random(model, **given):
        v = draw(model, **given)
        rng = np.random.default_rng(1)
        size = v.E.shape
        for n in range(10):  # 10 % off would shift the threshold by ten times its spread
            for p in "ei":
                default = model.parameter(f"P_{p}{n}").default
                setattr(v, f"P_{p}{n}", np.full(size, default))
        v.E, v.I = 10 ** rng.uniform(-3, -0.8, (2, *size))
        v.external_input_ex_ex, v.external_input_in_ex = rng.uniform(0, 5e-3, (2, *size))
        v.external_input_ex_in, v.external_input_in_in = rng.uniform(0, 1e-3, (2, *size))
        v.K_ext_i = rng.uniform(0, 100, size)
        v.E_e, v.W_i, v.a_i, v.b_i = (rng.uniform(0, 5, size) for _ in range(4))
        v.ou_drift = rng.normal(0, 3e-4, size)  # some inputs are cut at 0
        return v

    return random


def derivatives(v: SimpleNamespace) -> dict[str, Any]:
    """First derivatives of (F_e, F_i) by the complex step (exact), second ones by central differences of them."""

    def first(r_e: Any, r_i: Any) -> dict[str, Any]:
        h = 1e-30
        by_E, by_I = rates(v, r_e + 1j * h, r_i, 2), rates(v, r_e, r_i + 1j * h, 2)
        return {f"F_{p}_{x}": by[k].imag / h for k, p in enumerate("ei") for x, by in (("E", by_E), ("I", by_I))}

    found = first(v.E, v.I)
    d = 1e-5 * v.E, 1e-5 * v.I
    up_E, down_E = first(v.E + d[0], v.I), first(v.E - d[0], v.I)
    up_I, down_I = first(v.E, v.I + d[1]), first(v.E, v.I - d[1])
    for p in "ei":
        found[f"F_{p}_EE"] = (up_E[f"F_{p}_E"] - down_E[f"F_{p}_E"]) / (2 * d[0])
        found[f"F_{p}_EI"] = (up_I[f"F_{p}_E"] - down_I[f"F_{p}_E"]) / (2 * d[1])
        found[f"F_{p}_II"] = (up_I[f"F_{p}_I"] - down_I[f"F_{p}_I"]) / (2 * d[1])
    return found


def test_first_order_equations(values, check) -> None:
    v = values(ZerlautAdaptationFirstOrder)
    F_e, F_i, mu_e, mu_i = rates(v, v.E, v.I, 1)
    expected = {"E": (F_e - v.E) / v.T, "I": (F_i - v.I) / v.T, **slow(v, mu_e, mu_i)}
    check(ZerlautAdaptationFirstOrder, v, expected, 1e-11)


def test_derivatives_of_the_transfer_function(values, quantities) -> None:
    v = values(ZerlautAdaptationSecondOrder)
    found = quantities(ZerlautAdaptationSecondOrder, v)
    for name, expected in derivatives(v).items():
        second = len(name) > 5
        # Central differences over 1e-5 of a rate: truncation of 1e-10, rounding of 1e-16/1e-5, of curvatures that
        # change sign. First derivatives are exact.
        tolerance = 1e-6 if second else 1e-10
        scale = np.abs(expected) + (1e-6 if second else 1e-12) * np.abs(expected).max()
        assert np.max(np.abs(found[name] - expected) / scale) < tolerance, name


@pytest.mark.parametrize("p", ["e", "i"])
def test_derivatives_are_those_of_symbolic_differentiation(p: str) -> None:
    names = {q.name: symbol(q.name) for q in PARAMETERS} | {n: symbol(n) for n in ("E", "I", "W_e", "W_i")}
    for name, text in [*transfer_function(p, "0.003", "0.001"), *transfer_derivatives(p)]:
        names[name] = parse(text, names, name)
    point = {q.name: q.default for q in PARAMETERS} | {"E": 0.012, "I": 0.021, "W_e": 3.0, "W_i": 1.0, "K_ext_i": 50.0}
    for second in ("E", "EE", "EI", "II", "I"):
        node = names[f"F_{p}"]
        for variable in second:
            node = differentiate(node, variable)
        [expected, found] = evaluate([node, names[f"F_{p}_{second}"]], point)
        assert found == pytest.approx(expected, rel=1e-10), second


@pytest.mark.parametrize("compatible", [False, True])
def test_second_order_equations(values, check, compatible: bool) -> None:
    v = values(ZerlautAdaptationSecondOrder, tvb_compatible=float(compatible))
    F_e, F_i, mu_e, mu_i = rates(v, v.E, v.I, 2)
    d = derivatives(v)
    h = 1e-3 if compatible else 1.0
    J = h * np.array([[d["F_e_E"], d["F_e_I"]], [d["F_i_E"], d["F_i_I"]]])
    C = np.array([[v.C_ee, v.C_ei], [v.C_ei, v.C_ii]])
    flow = np.einsum("abn,bcn->acn", J, C)
    flow = flow + flow.transpose(1, 0, 2)
    if compatible:
        flow[0, 1] = J[0, 0] * v.C_ee + (J[1, 0] + J[0, 1]) * v.C_ei + J[1, 1] * v.C_ii
    off = np.array([F_e - v.E, F_i - v.I])
    shot = [F_e * (1 / v.T - F_e) / ((1 - v.g) * v.N_tot), F_i * (1 / v.T - F_i) / (v.g * v.N_tot)]
    bend = {
        p: h**2 * (v.C_ee * d[f"F_{p}_EE"] / 2 + v.C_ei * d[f"F_{p}_EI"] + v.C_ii * d[f"F_{p}_II"] / 2) for p in "ei"
    }
    expected = {
        "E": (off[0] + bend["e"]) / v.T,
        "I": (off[1] + bend["i"]) / v.T,
        "C_ee": (shot[0] + off[0] ** 2 + flow[0, 0] - 2 * v.C_ee) / v.T,
        "C_ei": (off[0] * off[1] + flow[0, 1] - 2 * v.C_ei) / v.T,
        "C_ii": (shot[1] + off[1] ** 2 + flow[1, 1] - 2 * v.C_ii) / v.T,
        **slow(v, mu_e, mu_i),
    }
    check(ZerlautAdaptationSecondOrder, v, expected, 1e-7)  # the second derivatives are finite differences


@pytest.fixture
def heun(alone):
    """The end of a run of an isolated, driven node from close to its rest state."""

    def run(model, duration, **options):
        start = dict.fromkeys(model.state_names, 0.0) | {"E": 0.0037, "I": 0.0151}
        options = {"parameters": DRIVEN, "initial": start, "integrator": "heun"} | options
        return alone(model, duration, monitors=[monitors.Raw(period=duration)], **options).final

    return run


def test_orders_differ_by_the_covariances_alone(heun) -> None:
    """From one start, without covariance feedback (TVB's mis-scaled one), both orders give the same rates."""
    first = heun(ZerlautAdaptationFirstOrder, 200.0)
    tvb = heun(ZerlautAdaptationSecondOrder, 200.0, parameters=DRIVEN | {"tvb_compatible": 1.0})
    correct = heun(ZerlautAdaptationSecondOrder, 200.0)
    E = first["E"][0, 0]
    assert tvb["E"][0, 0] == pytest.approx(E, rel=1e-6)
    assert abs(correct["E"][0, 0] / E - 1) > 1e-3


def test_covariances_settle_where_theory_puts_them(heun) -> None:
    """In the asynchronous irregular state J C + C J' + A = 0, C positive definite; rates are a few and some 15 Hz."""
    model = ZerlautAdaptationSecondOrder
    final = heun(model, 4000.0)
    assert 0.002 < final["E"][0, 0] < 0.006
    assert 0.01 < final["I"][0, 0] < 0.02
    C = np.array([[final[a][0, 0] for a in row] for row in (("C_ee", "C_ei"), ("C_ei", "C_ii"))])
    assert (np.linalg.eigvalsh(C) > 0).all()
    v = SimpleNamespace(**{p.name: p.default for p in model.parameters} | DRIVEN, c=0.0)
    for name in model.state_names:
        setattr(v, name, np.array([final[name][0, 0]]))
    d = derivatives(v)
    F_e, F_i, _, _ = (x[0] for x in rates(v, v.E, v.I, 2))
    J = np.array([[d["F_e_E"][0], d["F_e_I"][0]], [d["F_i_E"][0], d["F_i_I"][0]]]) - np.eye(2)
    off = np.array([F_e - v.E[0], F_i - v.I[0]])
    A = np.diag([F_e * (1 / v.T - F_e) / 8000, F_i * (1 / v.T - F_i) / 2000]) + np.outer(off, off)
    np.testing.assert_allclose(C, solve_continuous_lyapunov(J, -A), rtol=1e-6)


def test_known_high_state(heun) -> None:
    """A strong start ends in the known state of both rates near 0.194 kHz."""
    start = dict.fromkeys(ZerlautAdaptationFirstOrder.state_names, 0.0) | {"E": 0.05, "I": 0.05}
    final = heun(ZerlautAdaptationFirstOrder, 500.0, initial=start)
    assert final["E"][0, 0] == pytest.approx(0.194, abs=0.002)
    assert final["I"][0, 0] == pytest.approx(0.194, abs=0.002)


def test_float32_keeps_the_derivatives(heun) -> None:
    """Finite differences would have none of their digits; the exact ones keep five."""
    single, double = (heun(ZerlautAdaptationSecondOrder, 500.0, precision=p) for p in ("float32", "float64"))
    for name in ("E", "I", "C_ee", "C_ei", "C_ii"):
        assert single[name][0, 0] == pytest.approx(double[name][0, 0], rel=1e-4), name

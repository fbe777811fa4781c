"""Says a file of cuBNM (conventions: the README beside the files) as arguments of `simulate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.simulator import coupling, models, monitors, noise
from l2l.simulator.coupling import Coupling
from l2l.simulator.model import CouplingInput, Model, Parameter

Array = NDArray[np.float64]
TURN = 2 * np.pi
# cuBNM clips both variables, and fixes what The Virtual Brain lets vary (Papadopoulos et al. 2020).
WILSON_COWAN = replace(
    models.WilsonCowan, states=tuple(replace(s, lower=0.0, upper=1.0) for s in models.WilsonCowan.states)
)
WILSON_COWAN_CONSTANTS = {
    "tau_e": 2.5, "tau_i": 3.75, "a_e": 1.5, "a_i": 1.5, "b_e": 3.0, "b_i": 3.0, "c_e": 1.0, "c_i": 1.0, "theta_e": 0.0,
    "theta_i": 0.0, "r_e": 1.0, "r_i": 1.0, "k_e": 1.0, "k_i": 1.0, "alpha_e": 1.0, "alpha_i": 1.0,
    "shift_sigmoid": 0.0,
}  # fmt: skip
# What is sent is 0 at the start, which the sigmoid of 0 is not; y4 is 0 then, and after the first step no more.
JANSEN_RIT = replace(
    models.JansenRit,
    inputs=(CouplingInput("c", "where(y4 == 0, 0, 0.005/(1 + exp(0.56*(6 - (y1 - y2)))))"),),
)
# cuBNM wraps the phase at each step. Ours grows, and would lose digits that chaos needs: here a turn is taken back in
# the step after the one that completes it.
KURAMOTO = replace(
    models.Kuramoto,
    parameters=(*models.Kuramoto.parameters, Parameter("turn", 0.0, unit="rad/ms", description="2 pi/dt")),
    derivatives={"theta": f"omega + c - where(theta >= {TURN!r}, turn, 0) + where(theta <= {-TURN!r}, turn, 0)"},
)
JANSEN_RIT_CONSTANTS = {"A": 3.25, "B": 22.0, "a": 0.1, "b": 0.05, "v0": 6.0, "nu_max": 0.0025, "r": 0.56, "mu": 0.22}


@dataclass(frozen=True)
class Convention:
    """How one model of cuBNM is said.

    parameters: ours by theirs; constants: those that cuBNM fixes. states: ours by theirs.
    sigma: their noise amplitude by our state, in the order of their noise terms. start: of every state.
    drive: of the BOLD signal, if it is not our model's own.
    """

    model: Model
    parameters: Mapping[str, str]
    states: Mapping[str, str]
    sigma: Mapping[str, str]
    start: float
    constants: Mapping[str, float]
    drive: str | None = None

    def coupled(self, strength: Any) -> Coupling:
        if self.model.name == "Kuramoto":
            return coupling.Kuramoto(strength)
        return coupling.Scaling(strength)


CONVENTIONS = {
    "rWW": Convention(
        models.ReducedWongWangFIC, {"w_p": "w_p", "J_N": "J_N", "wIE": "wIE"}, {"S_E": "S_E", "S_I": "S_I"},
        {"S_E": "sigma", "S_I": "sigma"}, 0.001, {},
    ),
    "rWWEx": Convention(models.ReducedWongWang, {"w": "w", "I0": "I_o"}, {"S": "S"}, {"S": "sigma"}, 0.001, {}),
    "Kuramoto": Convention(
        KURAMOTO, {"omega": "omega"}, {"theta": "theta"}, {"theta": "sigma"}, 0.0, {},
        # fmod(theta, 2 pi)
        drive=f"theta - {TURN!r}*where(theta < 0, ceil(theta/{TURN!r}), floor(theta/{TURN!r}))",
    ),
    "WC": Convention(
        WILSON_COWAN,
        {"c_EE": "c_ee", "c_IE": "c_ei", "c_EI": "c_ie", "c_II": "c_ii", "P_E": "P", "P_I": "Q"},
        {"E": "E", "I": "I"}, {"E": "sigma_E", "I": "sigma_I"}, 0.001, WILSON_COWAN_CONSTANTS,
    ),
    "JR": Convention(
        JANSEN_RIT, {name: name for name in ("J", "a_1", "a_2", "a_3", "a_4")},
        {f"y{i}": f"y{i}" for i in range(6)}, {"y3": "sigma"}, 0.0, JANSEN_RIT_CONSTANTS, drive="y1 - y2",
    ),
}  # fmt: skip


class CubnmFile:
    """One file: what to run (`runs`), and what came out."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.says = CONVENTIONS[str(data["model"])]
        self.dt = float(data["dt_ms"])
        self.tr = float(data["TR_s"]) * 1000
        self.duration = float(data["duration_s"]) * 1000
        self.sampling = float(data["states_sampling_s"]) * 1000
        self.delayed = bool(data["delay"])
        self.simulations = len(data["param_G"])
        self.tuned = "fic_wIE" in data

    def runs(self, monitored: tuple[monitors.Monitor, ...] | None = None) -> list[dict[str, Any]]:
        """Arguments of `simulate`: one run of all simulations, or one for each where each has delays of its own."""
        if not self.delayed:
            return [self.run(slice(None), monitored)]
        return [self.run(slice(i, i + 1), monitored) for i in range(self.simulations)]

    def run(self, chosen: slice, monitored: tuple[monitors.Monitor, ...] | None = None) -> dict[str, Any]:
        says, data = self.says, self.data
        parameters: dict[str, Any] = dict(says.constants)
        for theirs, ours in says.parameters.items():
            parameters[ours] = data[f"param_{theirs}"][chosen]
        if says.model is KURAMOTO:
            parameters["turn"] = TURN / self.dt
        if self.tuned:
            parameters["wIE"] = data["fic_wIE"][chosen]
        start: dict[str, Any] = dict.fromkeys(says.model.state_names, says.start)
        if "param_init_theta" in data:
            start["theta"] = data["param_init_theta"][chosen]
        return {
            "model": says.model,
            "connectome": self.network(chosen),
            "parameters": parameters,
            "coupling": says.coupled(data["param_G"][chosen][:, None]),
            "duration": self.duration,
            "dt": self.dt,
            "integrator": "euler",
            "noise": self.noise(chosen),
            "speed": 1.0 if self.delayed else None,
            "initial": start,
            "monitors": self.monitors() if monitored is None else monitored,
        }

    def network(self, chosen: slice) -> SimpleNamespace:
        """Weights, row receives; lengths such that a speed of 1 mm/ms makes cuBNM's delays of them."""
        lengths = None
        if self.delayed:
            [speed] = self.data["param_v"][chosen]
            steps = np.rint((self.data["sc_dist"] / (speed * self.dt)).astype(np.float32)).clip(1)
            np.fill_diagonal(steps, 1)
            # cuBNM counts from the end of the step, so that its delay of one step is none.
            lengths = (steps.T - 1) * self.dt
        return SimpleNamespace(weights=self.data["sc"].T, tract_lengths=lengths)

    def noise(self, chosen: slice) -> noise.Additive | None:
        if not bool(self.data["noise_on"]):
            return None
        sigma = {state: self.data[f"param_{theirs}"][chosen] for state, theirs in self.says.sigma.items()}
        names = list(self.says.model.state_names)
        drawn = self.normals()
        given = np.zeros((len(drawn), len(names), drawn.shape[1]))
        for term, state in enumerate(sigma):
            given[:, names.index(state)] = drawn[..., term]
        return noise.Additive(sigma=sigma, given=given)

    def normals(self) -> Array:
        """(step, node, term): the segment of noise, repeated with its steps and nodes shuffled."""
        terms, nodes = len(self.says.sigma), len(self.data["sc"])
        inner = round(float(self.data["bw_dt_ms"]) / self.dt)
        raw = self.data["noise_raw"].reshape(-1, inner, nodes, terms)
        pairs = zip(self.data["noise_shuffled_ts"], self.data["noise_shuffled_nodes"], strict=True)
        whole = np.concatenate([raw[ts][:, :, nd] for ts, nd in pairs])
        return whole.reshape(-1, nodes, terms)[: round(self.duration / self.dt)]

    def monitors(self) -> tuple[monitors.Monitor, ...]:
        bold = monitors.Bold(
            tr=self.tr, step=float(self.data["bw_dt_ms"]), average=False, drive=self.says.drive,
            constants=str(self.data["bw_params"]),
        )  # fmt: skip
        return (monitors.Raw(period=self.sampling, variables=tuple(self.says.states.values())), bold)

    def state(self, name: str) -> Array:
        """(simulation, sample, node), or (simulation, node) where only the mean was kept."""
        return np.asarray(self.data[f"state_{name}"])

    @property
    def removed(self) -> int:
        """Volumes that are left out of FC and FCD."""
        return round(float(self.data["bold_remove_s"]) / float(self.data["TR_s"]))

"""Terms of activity itself, faster than BOLD: rates, up and down states, connectivity, spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from l2l.errors import ObservableError, nearest
from l2l.observables import phase, spectra
from l2l.observables.fc import fc, fc_corr
from l2l.observables.pairs import triangle
from l2l.observables.signals import Floats
from l2l.observables.terms import Term
from l2l.observables.up_down import Durations, durations, up_states

if TYPE_CHECKING:
    from l2l.simulator.monitors import TemporalAverage

SLOW = (0.5, 4.0)  # Hz
SLOPE = (1.0, 40.0)  # Hz
NAME = "activity"


@dataclass(frozen=True, eq=False)
class Activity:
    """What a network does, as terms of a BrainNetwork: monitors=[activity.monitor], measure=activity.terms.

    variable: of the model, its rate. scale: what turns it into Hz (1000 for kHz). period: ms of each sample, a mean.
    weights: (node, node) structural connectivity, with which functional connectivity is compared; None: it is not.
    share, floor, smooth, shortest: of up states, see `up_states`.

    Terms: `rate` (Hz, mean), `rate_sd` (Hz, over time, mean over nodes), `up_share`, `up_duration`, `down_duration`
    (ms), `switches` (a second), `activity_fc` (mean of the triangle), `fc_sc` (correlation of the triangles of FC and
    weights, maximised), `phase_lag` (mean phase lag index), `dominant_frequency` (Hz, of the largest power),
    `slow_power` (share of the power within 0.5 to 4 Hz), `spectral_exponent` (minus the slope of log10 power over log10
    frequency, 1 to 40 Hz). Nodes that do not vary are left out of all but rates and states.
    Source of the choice: Aquilué-Llorens et al. (2024), Neuroinformatics 22:75-87.
    """

    variable: str = "E"
    scale: float = 1000.0
    period: float = 5.0
    weights: ArrayLike | None = None
    share: float = 0.4
    floor: float = 0.2
    smooth: float = 10.0
    shortest: float = 50.0

    @property
    def monitor(self) -> TemporalAverage:
        """What records it."""
        from l2l.simulator.monitors import TemporalAverage

        return TemporalAverage(variables=(self.variable,), period=self.period, name=NAME)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """All terms, each of (time, variable, node) of the monitor."""
        made = {
            "rate": (self.rate, "mean rate, Hz"),
            "rate_sd": (self.rate_sd, "standard deviation of the rate over time, Hz"),
            "up_share": (self.up_share, "share of time in up states"),
            "up_duration": (self.up_duration, "mean duration of up states, ms"),
            "down_duration": (self.down_duration, "mean duration of down states, ms"),
            "switches": (self.switches, "changes between up and down states a second"),
            "activity_fc": (self.activity_fc, "mean correlation of rates"),
            "phase_lag": (self.phase_lag, "mean phase lag index"),
            "dominant_frequency": (self.dominant_frequency, "frequency of the largest power, Hz"),
            "slow_power": (self.slow_power, "share of power from 0.5 to 4 Hz"),
            "spectral_exponent": (self.spectral_exponent, "minus the slope of the spectrum on logarithmic axes"),
        }
        if self.weights is not None:
            made["fc_sc"] = (self.fc_sc, "correlation of functional with structural connectivity")
        return tuple(Term(name, how, maximize=name == "fc_sc", description=text) for name, (how, text) in made.items())

    def __getitem__(self, name: str) -> Term:
        """One of the terms. Raises ObservableError for an unknown name."""
        known: Mapping[str, Term] = {term.name: term for term in self.terms}
        if name not in known:
            raise ObservableError(f"no term {name!r} of activity: {nearest(name, known)}")
        return known[name]

    def rate(self, activity: Floats) -> float:
        return float(self._rates(activity).mean())

    def rate_sd(self, activity: Floats) -> float:
        return float(self._rates(activity).std(axis=0).mean())

    def up_share(self, activity: Floats) -> float:
        return float(self._durations(activity).share)

    def up_duration(self, activity: Floats) -> float:
        return float(self._durations(activity).up)

    def down_duration(self, activity: Floats) -> float:
        return float(self._durations(activity).down)

    def switches(self, activity: Floats) -> float:
        return float(self._durations(activity).switches)

    def activity_fc(self, activity: Floats) -> float:
        varying, _ = self._varying(activity)
        return float(triangle(fc(varying), None).mean()) if varying.shape[1] > 1 else np.nan

    def fc_sc(self, activity: Floats) -> float:
        varying, nodes = self._varying(activity)
        weights = np.asarray(self.weights, dtype=np.float64)[np.ix_(nodes, nodes)]
        # Triangles hold a pair once: a fibre counts in both directions.
        return float(fc_corr(fc(varying), (weights + weights.T) / 2)) if len(nodes) > 2 else np.nan

    def phase_lag(self, activity: Floats) -> float:
        varying, nodes = self._varying(activity)
        if len(nodes) < 2:
            return np.nan
        return float(triangle(phase.phase_lag_index(phase.phases(varying, self.period)), None).mean())

    def dominant_frequency(self, activity: Floats) -> float:
        frequencies, power = self._power(activity)
        return float(frequencies[np.argmax(power)]) if np.isfinite(power).all() else np.nan

    def slow_power(self, activity: Floats) -> float:
        frequencies, power = self._power(activity)
        return float(power[(frequencies >= SLOW[0]) & (frequencies <= SLOW[1])].sum() / power.sum())

    def spectral_exponent(self, activity: Floats) -> float:
        frequencies, power = self._power(activity)
        inside = (frequencies >= SLOPE[0]) & (frequencies <= SLOPE[1])
        if inside.sum() < 3 or not (power[inside] > 0).all():
            return np.nan
        return -float(np.polyfit(np.log10(frequencies[inside]), np.log10(power[inside]), 1)[0])

    def _rates(self, activity: Floats) -> Floats:
        """(time, node), Hz."""
        return np.asarray(activity[:, 0], dtype=np.float64) * self.scale

    def _durations(self, activity: Floats) -> Durations:
        states = up_states(
            self._rates(activity), self.period, share=self.share, floor=self.floor, smooth=self.smooth,
            shortest=self.shortest,
        )  # fmt: skip
        return durations(states, self.period)

    def _varying(self, activity: Floats) -> tuple[Floats, Any]:
        rates = self._rates(activity)
        # What float32 alone makes of a constant is no signal.
        nodes = np.flatnonzero(np.ptp(rates, axis=0) > 1e-5 * np.abs(rates).max(axis=0))
        return rates[:, nodes], nodes

    def _power(self, activity: Floats) -> tuple[Floats, Floats]:
        """Frequencies above 0 and the power there, mean over nodes; NaN if no node varies."""
        varying, nodes = self._varying(activity)
        window = min(2000.0, len(varying) * self.period)
        if not len(nodes):
            return np.array([1.0]), np.array([np.nan])
        found = spectra.power_spectrum(varying, self.period, window=window)
        return found.frequencies[1:], found.power[1:].mean(axis=-1)

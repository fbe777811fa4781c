"""Perturbed trials of each individual, from which its perturbational complexity index is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import OptimizeeError
from l2l.individual import Individual
from l2l.observables.pci import pci

if TYPE_CHECKING:
    from l2l.simulator.result import Result
    from l2l.simulator.stimulus import Stimulus

_MONITOR = "_trials"
BLOCK = 256 << 20  # bytes of the trials that are simulated at once


@dataclass(frozen=True, eq=False)
class Perturbation:
    """How each individual is stimulated, beside its resting simulation.

    stimulus: one of `l2l.simulator.stimulus`; it must begin at `onset`.
    onset: ms after the start of each trial, until which the network settles; at least `baseline`.
    variable: the state or derived quantity whose response is judged; None: what drives the model's BOLD.
    trials: simulations of each individual, with noise of their own. period: ms between samples, which are means.
    baseline, response, surrogates, alpha: see `l2l.observables.pci`.
    """

    stimulus: Stimulus
    onset: float = 1000.0
    variable: str | None = None
    trials: int = 10
    period: float = 1.0
    baseline: float = 500.0
    response: float = 300.0
    surrogates: int = 500
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise OptimizeeError(f"trials must be an integer >= 1, but got {self.trials!r}")
        if not 0 < self.baseline <= self.onset:
            raise OptimizeeError(
                f"0 < baseline <= onset must hold (ms), but got baseline = {self.baseline!r}, onset = {self.onset!r}"
            )

        begins = getattr(self.stimulus, "onset", None)
        if isinstance(begins, int | float) and begins != self.onset:
            raise OptimizeeError(
                f"the stimulus must begin at onset, but begins at {begins:g} ms and onset = {self.onset:g} ms: what is "
                "before it is the baseline"
            )
        if not 0 < self.period <= self.response < np.inf:
            raise OptimizeeError(
                f"0 < period <= response must hold (ms), but got period = {self.period!r}, response = {self.response!r}"
            )
        if not (0 < self.alpha < 1 and self.surrogates >= 1 / self.alpha):
            raise OptimizeeError(
                f"0 < alpha < 1 and surrogates >= 1 / alpha must hold, but got alpha = {self.alpha!r}, surrogates = "
                f"{self.surrogates!r}"
            )

    @property
    def duration(self) -> float:
        """Of a trial, ms: whole samples."""
        return float(np.ceil((self.onset + self.response) / self.period - 1e-9) * self.period)

    def arguments(self, drive: str | None) -> dict[str, Any]:
        """Of `simulate`, for the trials. drive: what drives the model's BOLD."""
        from l2l.simulator import monitors

        variable = self.variable or drive
        if variable is None:
            raise OptimizeeError(
                "a perturbation needs the variable whose response is judged: Perturbation(variable=...)"
            )
        average = monitors.TemporalAverage(variables=(variable,), period=self.period, name=_MONITOR)
        return {"duration": self.duration, "monitors": (average,), "stimulus": self.stimulus}

    def blocks(self, count: int, nodes: int) -> Iterator[slice]:
        """So many individuals at once that their trials stay in bounds."""
        each = self.trials * int(self.duration / self.period) * nodes * 4
        many = max(1, BLOCK // each)
        return (slice(start, min(start + many, count)) for start in range(0, count, many))

    def repeated(self, individuals: Sequence[Individual]) -> list[Individual]:
        """Each individual once a trial, with a seed that depends on its own and on the trial."""
        return [
            replace(each, seed=int(np.random.SeedSequence([each.seed, trial + 1]).generate_state(1, np.uint64)[0]))
            for each in individuals
            for trial in range(self.trials)
        ]

    def index(self, result: Result, nodes: NDArray[np.intp] | None) -> NDArray[np.float64]:
        """(individual,) perturbational complexity; NaN where a trial diverged or cannot be judged."""
        array: Any = result.array(_MONITOR)
        trials = (array if isinstance(array, np.ndarray) else array.copy_to_host())[:, :, 0]
        trials = trials if nodes is None else trials[..., nodes]
        found = pci(
            trials.reshape(-1, self.trials, *trials.shape[1:]), self.period, self.onset, baseline=self.baseline,
            response=self.response, surrogates=self.surrogates, alpha=self.alpha,
        )  # fmt: skip
        return np.asarray(found.value, dtype=np.float64)

"""Runs an ensemble of simulations of one model on one network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l2l.errors import SimulationError, nearest
from l2l.simulator import coupling as couplings
from l2l.simulator import models
from l2l.simulator.integrators import Integrator
from l2l.simulator.kernels import cuda_device
from l2l.simulator.model import Model
from l2l.simulator.monitors import Monitor, Raw
from l2l.simulator.noise import Additive
from l2l.simulator.prepare import Prepared, Resume, prepare
from l2l.simulator.problem import Outcome, Problem
from l2l.simulator.result import Final, Result
from l2l.simulator.stimulus import Stimulus

if TYPE_CHECKING:
    from l2l.simulator.prepare import History

BACKENDS = ("auto", "cpu", "reference", "cuda")


class Network(Protocol):
    """What is needed of a connectome."""

    @property
    def weights(self) -> NDArray[np.float64]: ...

    @property
    def tract_lengths(self) -> NDArray[np.float64] | None: ...


def simulate(
    model: Model | str,
    connectome: Network,
    *,
    duration: float,
    dt: float,
    parameters: Mapping[str, Any] | None = None,
    coupling: str | couplings.Coupling | Mapping[str, couplings.Given] | None = None,
    integrator: str | Integrator = "heun",
    noise: Additive | None = None,
    speed: Any = None,
    coupling_per_stage: bool = False,
    initial: Mapping[str, Any] | History | Final | None = None,
    stimulus: Stimulus | Sequence[Stimulus] | None = None,
    monitors: Sequence[Monitor] = (Raw(period=None),),
    seed: Any = 0,
    simulations: int | None = None,
    backend: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    resumable: bool = False,
    on_device: bool = False,
) -> Result:
    """Simulates every member of an ensemble and returns what the monitors kept.

    model: a `Model` or the name of one.
    connectome: weights (node, node), row receives from column; tract lengths (node, node) in mm.
    duration, dt: ms; dt divides duration.
    parameters: values by name: of the model; of the coupling as "coupling.NAME"; "G" is the strength of the coupling
        (Linear's `a`) unless the model itself has a G. Each a number, (simulation,), (node,) or (simulation, node). An
        array of one axis whose length is the number of nodes is read as (node,); write (simulation, 1) or (1, node) to
        leave no doubt (where both have that length, it must be written).
    coupling: one of `coupling`, or its name; default: the model's usual one. Or by input of the
        model, each one coupling or several that add up; their parameters are then "coupling.INPUT.NAME" (of several
        "coupling.INPUT.0.NAME"), and inputs that are not named have the default.
    integrator: "euler", "heun" or "rk4". noise: see `noise.Additive`.
    speed: conduction speed, mm/ms, a number or (simulation,); None: no delays.
    coupling_per_stage: take the coupling anew at each stage of the integrator, instead of once a step as The Virtual
        Brain does: Heun is then of second order with coupling, too, and rk4 of fourth. With delays, whole steps each,
        a stage reads what was sent that much before its own time: Heun's corrector one step later than the predictor,
        rk4's inner stages in the middle of a step, where the nodes' states are known to fourth order from their own
        step (of a given history by cubic interpolation). Connections of delay 0 read the stage's own point. Slower
        with delays.
    initial: values by state name (as parameters), a `History`, the `final` of a result, or None; what is not given is
        drawn from the model's ranges.
    stimulus: one or several of `stimulus`.
    monitors: what is kept; a monitor's result is found under its name.
    seed: an integer, or (simulation,) integers of 64 bits: simulation i of an integer seed has the number seed + i. The
        same simulation gives the same bits alone or in any batch, on any number of threads.
    simulations: size of the ensemble, where no array tells it.
    backend: "cpu" (SIMD), "cuda" (one GPU), "reference" (slow, float64), or "auto": a GPU where there is one.
    precision: "float32" or "float64".
    threads: None: one for each core this process may use, no more than OMP_NUM_THREADS says. progress: called with the
        finished fraction.
    on_device: leave what the monitors kept in the GPU's memory (backend "cuda" only): `result.array(name)` is then a
        device array with `__cuda_array_interface__`, from which `result[name]` is copied.
    resumable: keep the delayed history in `final`, so that the run can be continued (without delays it always can).

    Raises SimulationError or ModelError before anything is run. Warns (RangeWarning) of a parameter outside its usual
    range, and of a dt that is longer than the shortest delay.
    """
    if isinstance(model, str):
        model = models.get(model)
    if backend not in BACKENDS:
        raise SimulationError(f"unknown backend {backend!r}; {nearest(backend, BACKENDS)}")
    if on_device and backend != "cuda":
        raise SimulationError(f"on_device=True needs backend='cuda', but got backend={backend!r}")
    if backend == "cuda":
        cuda_device.require()
    prepared = prepare(
        model, connectome.weights, connectome.tract_lengths,
        parameters=parameters or {}, coupling=coupling, integrator=integrator, noise=noise,
        duration=duration, dt=dt, speed=speed, initial=initial, monitors=tuple(monitors), seed=seed,
        simulations=simulations, precision="float64" if backend == "reference" else precision, stimulus=stimulus,
        coupling_per_stage=coupling_per_stage,
    )  # fmt: skip
    needs = frozenset[str]().union(*(problem.needs() for _, problem in prepared.problems))
    return _gather(prepared, engine_of(backend, resumable, on_device, needs), threads, progress, connectome, resumable)


def engine_of(backend: str, resumable: bool, on_device: bool, needs: frozenset[str]) -> Callable[..., Outcome]:
    """What runs problems with these needs; raises SimulationError if the backend is unknown or cannot."""
    if backend not in BACKENDS:
        raise SimulationError(f"unknown backend {backend!r}; {nearest(backend, BACKENDS)}")
    if backend == "reference":
        from l2l.simulator.kernels import reference

        return reference.run
    if backend == "cuda" or (backend == "auto" and cuda_device.usable()):
        from l2l.simulator.kernels import cuda

        lacking = needs - getattr(cuda, "ABLE", frozenset[str]())
        if not lacking:
            return functools.partial(cuda.run, resumable=resumable, on_device=on_device)
        if backend == "cuda":
            raise SimulationError(f"backend 'cuda' cannot do {', '.join(sorted(lacking))} yet; use backend='cpu'")
    from l2l.simulator.kernels import cpu

    return functools.partial(cpu.run, resumable=resumable)


def _gather(
    prepared: Prepared,
    engine: Callable[..., Outcome],
    threads: int | None,
    progress: Callable[[float], None] | None,
    connectome: Network,
    resumable: bool,
) -> Result:
    """Runs one problem for each set of delays and puts the parts together in the order of the simulations."""
    parts: list[tuple[NDArray[np.int64], Outcome]] = []
    finished = 0.0

    def told(fraction: float) -> None:
        if progress is not None:
            progress(min(1.0, finished + fraction * share))

    for members, problem in prepared.problems:
        share = len(members) / prepared.simulations
        parts.append((members, engine(problem, threads, told)))
        finished += share
    if progress is not None:
        progress(1.0)
    members, whole = parts[0]
    if len(parts) > 1:
        whole = _joined(parts, prepared.simulations)
    first: Problem = prepared.problems[0][1]
    kept = resumable or first.delays is None
    final = Final(
        step=first.start + first.steps,
        state=whole.state,
        compensation=whole.compensation,
        balloon=tuple(whole.balloon),
        resume=Resume(prepared.signature, [(m, part.sends) for m, part in parts]) if kept else None,
        state_names=tuple(s.name for s in first.step.states),
    )
    labels = getattr(connectome, "labels", None)
    return Result.build(prepared, whole.records, whole.diverged, final, labels)


def _joined(parts: list[tuple[NDArray[np.int64], Outcome]], simulations: int) -> Outcome:
    def join(arrays: list[Any]) -> Any:
        if not isinstance(arrays[0], np.ndarray):  # they are on the device
            from l2l.simulator.kernels import cuda_output

            return cuda_output.joined([(m, a) for (m, _), a in zip(parts, arrays, strict=True)], simulations)
        joined = np.empty((simulations, *arrays[0].shape[1:]), arrays[0].dtype)
        for (members, _), array in zip(parts, arrays, strict=True):
            joined[members] = array
        return joined

    outcomes = [outcome for _, outcome in parts]
    return Outcome(
        records=[join([o.records[m] for o in outcomes]) for m in range(len(outcomes[0].records))],
        diverged=join([o.diverged for o in outcomes]),
        state=join([o.state for o in outcomes]),
        compensation=join([o.compensation for o in outcomes]),
        balloon=[
            None if outcomes[0].balloon[m] is None else join([b for o in outcomes if (b := o.balloon[m]) is not None])
            for m in range(len(outcomes[0].balloon))
        ],
    )

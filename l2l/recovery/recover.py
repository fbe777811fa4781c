"""The search for hidden parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from l2l.errors import ExperimentError, L2LError, nearest
from l2l.experiment import Experiment
from l2l.individual import Individual
from l2l.optimizees.base import Optimizee
from l2l.progress import Silent, observer_for
from l2l.recovery.profile_run import ProfileRun
from l2l.recovery.report import Recovery
from l2l.runners.base import Runner
from l2l.seeds import Purpose, branch, check_seed, evaluation_seed
from l2l.space import Space

TAG = "recovery"


@runtime_checkable
class Recoverable(Protocol):
    """An optimizee whose own outcome can be its target."""

    def targeting(self, hidden: Individual) -> Optimizee:
        """The same optimizee with what it gives at `hidden` as its target, over the same space and objectives.

        It must depend on the individual's parameters and seed alone. Whatever is amiss is raised as an L2LError.
        """


def recover(
    experiment: Experiment,
    *,
    at: Mapping[str, Any] | None = None,
    seed: int | None = None,
    replicates: int = 8,
    points: int = 6,
    finalists: int = 10,
    store: str | Path | None = None,
    runner: str | Runner | None = None,
    quiet: bool = True,
    script: Path | None = None,
) -> Recovery:
    """Fit an experiment's own simulation at hidden parameters.

    experiment: over a BrainNetwork, or any optimizee with `targeting`; its optimizer searches. It is not changed.
    at: hidden values by name; those not given are drawn from the space. seed: of the draw, of the target's noise and of
    the search; None: the experiment's. replicates: evaluations of each point with fresh noise, >= 2.
    points: of a profile, on either side of the optimum. finalists: how many of the search's best are evaluated again;
    that with the best mean is the optimum.
    Raises ExperimentError for an optimizee without `targeting`, for hidden parameters that make no target, or if
    nothing could be evaluated.
    """
    for name, value, least in (("replicates", replicates, 2), ("points", points, 1), ("finalists", finalists, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ExperimentError(f"{name} must be an integer >= {least}, but got {value!r}")
    root = check_seed(experiment.seed if seed is None else seed)
    hidden = hidden_parameters(experiment.optimizee.space, at or {}, root)
    fit = copy.copy(experiment)
    fit.optimizee = _targeted(experiment.optimizee, hidden, root)
    fit.seed, fit.name, fit.tags = root, f"{experiment.name}, recovery", (*experiment.tags, TAG)
    # One runner for both runs would have to outlive the first: an address or a name starts it again.
    trajectory = fit.start(store=store, runner=runner, observer=Silent() if quiet else observer_for(), script=script)
    best = trajectory.best_individuals(finalists)
    if not best:
        raise ExperimentError(
            f"nothing was found: no evaluation of run {trajectory.run.id} ended well (l2l show --failures)"
        )
    from l2l.store import Store

    with Store.open(trajectory.store_url) as opened:
        after = ProfileRun(fit, opened, trajectory.run.id, replicates, Silent() if quiet else observer_for())
        return after.run(hidden, [each.parameters for each in best], points, runner, script)


def hidden_parameters(space: Space, at: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A point of the space: what is given, and the rest drawn uniformly from the unit cube.

    A number given for a parameter with a shape stands for all of its elements. Raises SpaceError.
    """
    drawn = space.decode(branch(seed, Purpose.RECOVERY).generate_state(space.dimension, np.uint64) / 2.0**64)
    for name, value in at.items():
        if name not in space:
            raise ExperimentError(f"no parameter {name!r} to hide: {nearest(name, space)}")
        shape = space[name].shape
        drawn[name] = np.full(shape, value) if shape and np.ndim(value) == 0 else value
    return space.check(drawn)


def _targeted(optimizee: Optimizee, hidden: Mapping[str, Any], seed: int) -> Optimizee:
    if not isinstance(optimizee, Recoverable):
        raise ExperimentError(
            f"recovery needs an optimizee that can make a target of its own outcome, but {type(optimizee).__name__} "
            "cannot: use a BrainNetwork, or give your Optimizee a method targeting(hidden) that returns one"
        )
    try:
        return optimizee.targeting(Individual(hidden, seed=evaluation_seed(seed, Purpose.RECOVERY, 0, 0, 0)))
    except L2LError as error:
        where = ", ".join(f"{name}={value}" for name, value in hidden.items())
        raise ExperimentError(
            f"the hidden parameters ({where}) make no target: {error}; choose others by --at NAME=VALUE, or another "
            "seed"
        ) from error

"""What a Dask worker runs: one chunk of individuals, with the optimizee it keeps from chunk to chunk."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from l2l.errors import RunnerError
from l2l.individual import Evaluation, Individual
from l2l.optimizees.base import Optimizee
from l2l.runners import environment
from l2l.runners.evaluate import evaluate_individuals, format_traceback, one_line
from l2l.runners.lastwords import Pen
from l2l.runners.naming import label

_KEPT = 4  # optimizees a worker keeps: one run uses one or two
_optimizees: OrderedDict[str, Optimizee] = OrderedDict()


class Order(NamedTuple):
    """What travels to a worker besides the individuals.

    optimizee: the hash of its pickle, under which workers keep it.
    chunk: a name that no other chunk has. folder, deadline: as `Pen` takes them.
    environment: the driver's versions, as `environment.here` gives them.
    """

    optimizee: str
    chunk: str
    folder: str
    deadline: float | None
    environment: dict[str, str]


class Reply(NamedTuple):
    """What comes back. kind: "done" (fields: one dict an individual), "missing" or "unloadable" (the optimizee),
    "different" (the environment)."""

    kind: str
    worker: str
    fields: Sequence[dict[str, Any]] = ()
    error: str = ""
    traceback: str = ""
    size: int = 0  # bytes that came back


def pack(order: Order, individuals: Sequence[Individual]) -> bytes:
    """A chunk as one block of bytes: Dask would look into every element of a list."""
    return pickle.dumps((tuple(order), list(individuals)), protocol=pickle.HIGHEST_PROTOCOL)


def run_chunk(packed: bytes, pickled: bytes | None) -> bytes:
    """Evaluate a chunk; returns a pickled Reply.

    packed: what `pack` made. pickled: the optimizee, or None if the worker is thought to have it.
    """
    from distributed import get_worker

    order, individuals = pickle.loads(packed)
    worker = get_worker()
    reply = _evaluate(Order(*order), individuals, pickled, label(worker.address, worker.name))
    return pickle.dumps(tuple(reply), protocol=pickle.HIGHEST_PROTOCOL)


def _evaluate(order: Order, individuals: Sequence[Individual], pickled: bytes | None, worker: str) -> Reply:
    try:
        environment.require_same({worker: environment.here()}, order.environment)
    except RunnerError as error:
        return Reply("different", worker, error=str(error))
    try:
        optimizee = _optimizee(order.optimizee, pickled)
    except Exception as error:
        return Reply("unloadable", worker, error=one_line(error), traceback=format_traceback(error))
    if optimizee is None:
        return Reply("missing", worker)
    with Pen(order.folder, order.chunk, order.deadline) as pen:
        evaluations = evaluate_individuals(optimizee, individuals, worker=worker, guard=pen.around)
        return Reply("done", worker, [_fields(evaluation) for evaluation in evaluations])


def _optimizee(name: str, pickled: bytes | None) -> Optimizee | None:
    if name not in _optimizees:
        if pickled is None:
            return None
        _optimizees[name] = pickle.loads(pickled)
        while len(_optimizees) > _KEPT:
            _optimizees.popitem(last=False)
    _optimizees.move_to_end(name)
    return _optimizees[name]


def _fields(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation without its individual, which the driver has, and without what is empty."""
    return {name: value for name, value in vars(evaluation).items() if name not in ("individual", "attempt") and value}

"""The runner that evaluates here, in this process: for small things, for debugging and as the others' measure."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from l2l.individual import Evaluation, Individual
from l2l.optimizees.base import Optimizee
from l2l.runners.base import Runner
from l2l.runners.evaluate import evaluate_individuals


class SerialRunner(Runner):
    """Evaluates one batch after the other in the calling process, in the individuals' order.

    There is no shelter: a segfault ends the process, an endless loop goes on for ever. Ctrl-C is raised.
    """

    def evaluate(self, optimizee: Optimizee, individuals: Sequence[Individual]) -> Iterator[Evaluation]:
        size = max(1, optimizee.batch_size)
        for start in range(0, len(individuals), size):
            given = individuals[start : start + size]
            # User code sees copies, as it would on a worker: what it does to them must not reach the record.
            copies: list[Individual] = pickle.loads(pickle.dumps(given))
            done = evaluate_individuals(optimizee, copies, worker="serial", interruptible=True)
            for individual, evaluation in zip(given, done, strict=True):
                yield replace(evaluation, individual=individual)

    def describe(self) -> dict[str, Any]:
        return {"runner": "serial"}

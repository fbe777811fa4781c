"""The driver's book of one generation: which individuals are out, which came back, and who is to blame for a death."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from l2l.errors import RunnerError
from l2l.individual import Evaluation, Individual, Status
from l2l.runners.lastwords import LastWords
from l2l.runners.naming import job_of
from l2l.runners.plan import Plan

_STALLS = 20  # workers that die with a chunk before evaluating any of it: then the workers are at fault


@dataclass(frozen=True)
class Chunk:
    """number: its own in this generation. members: positions in the list of individuals."""

    number: int
    members: tuple[int, ...]


class Ledger:
    """Deals out chunks and turns what becomes of them into one evaluation an individual.

    An attempt is charged to an individual only for a worker that died while it was evaluated alone. A larger chunk
    that loses its worker is split in halves, so that the guilty individual ends alone and the others are not blamed.

    attempts: how many workers an individual may take down before it is lost.
    deadline: the seconds that one call of the optimizee may take, for the record.
    deaths: how many workers each report of a death stands for (a scheduler that retries by itself reports late).
    """

    def __init__(
        self,
        individuals: Sequence[Individual],
        plan: Plan,
        attempts: int,
        *,
        deadline: float | None = None,
        deaths: int = 1,
    ) -> None:
        self.individuals = individuals
        self.plan = plan
        self.attempts = attempts
        self.deadline = deadline
        self.deaths = deaths
        self._fresh = 0
        self._again: deque[tuple[int, ...]] = deque()
        self._numbers = 0
        self._tries: Counter[int] = Counter()
        self._killed: Counter[int] = Counter()
        self._stalls: Counter[tuple[int, ...]] = Counter()

    def next(self, slots: int) -> Chunk | None:
        """A chunk to send, or None when all are out. Retries come last: innocent individuals are not kept waiting."""
        left = len(self.individuals) - self._fresh
        if left:
            size = self.plan.next(left, slots)
            members = tuple(range(self._fresh, self._fresh + size))
            self._fresh += size
        elif self._again:
            members = self._again.popleft()
        else:
            return None
        self._tries.update(members)
        self._numbers += 1
        return Chunk(self._numbers, members)

    def chunks_left(self) -> int:
        """How many chunks are still to be dealt out, as far as it is known."""
        return self.plan.chunks(len(self.individuals) - self._fresh) + len(self._again)

    def of(self, chunk: Chunk) -> list[Individual]:
        return [self.individuals[member] for member in chunk.members]

    def done(self, chunk: Chunk, fields: Sequence[dict[str, Any]], size: int = 0) -> list[Evaluation]:
        """The evaluations of a chunk whose results are here. size: the bytes they came in."""
        self.plan.learn(len(fields), sum(each.get("seconds", 0.0) for each in fields), size)
        return [
            Evaluation(self.individuals[member], attempt=self._tries[member], **each)
            for member, each in zip(chunk.members, fields, strict=True)
        ]

    def lost(
        self,
        chunk: Chunk,
        words: LastWords | None,
        worker: str,
        *,
        told: bool,
        error: str = "",
        log: Callable[[], str] = lambda: "",
    ) -> list[Evaluation]:
        """The worker of a chunk died. Returns the evaluations that end with it; all others are sent again.

        told: last words would have been found if there were any, so without them nothing was being evaluated.
        error: what else is known. log: asked for what the worker printed last, where one ends without a stack.
        """
        if words is None or not words.count:
            if words is None and not told:
                return self._blame(chunk.members, None, worker, error, log)
            self._stalls[chunk.members] += 1
            if self._stalls[chunk.members] > self.attempts and not told:
                return self._blame(chunk.members, words, worker, error, log)  # what was read may be out of date
            if self._stalls[chunk.members] > _STALLS:
                raise RunnerError(
                    f"{_STALLS} workers died before they evaluated anything of what was sent to them, the last at "
                    f"{worker or 'an unknown address'}: see what they print, and whether memory suffices"
                )
            self._again.append(chunk.members)
            return []
        first, last = words.start, words.start + words.count
        for innocent in (chunk.members[:first], chunk.members[last:]):
            if innocent:
                self._again.append(innocent)
        return self._blame(chunk.members[first:last], words, worker, error, log)

    def _blame(
        self, members: tuple[int, ...], words: LastWords | None, worker: str, error: str, log: Callable[[], str]
    ) -> list[Evaluation]:
        if len(members) > 1:
            half = len(members) // 2
            self._again += [members[:half], members[half:]]
            return []
        (member,) = members
        stack = words.stack if words else ""
        if words and words.timeout:
            late = f"past its deadline of {self.deadline} s: the traceback shows where it was"
            return [self._end(member, Status.TIMEOUT, late, stack, worker, words)]
        self._killed[member] += self.deaths
        if self._killed[member] < self.attempts:
            self._again.append(members)
            return []
        cause = error or (words.cause if words else "no last words were found")
        error = f"its worker died {self._killed[member]} times: {cause}"
        return [self._end(member, Status.LOST, error, stack or log(), worker, words)]

    def _end(
        self, member: int, status: Status, error: str, trace: str, worker: str, words: LastWords | None
    ) -> Evaluation:
        known: dict[str, Any] = {}
        if words:
            known = {"host": words.host, "device": words.device, "started": words.started}
        return Evaluation(
            self.individuals[member],
            status,
            error=error,
            traceback=trace,
            attempt=self._tries[member],
            worker=worker,
            job=job_of(worker),
            seconds=(self.deadline or 0.0) if status is Status.TIMEOUT else 0.0,
            **known,
        )

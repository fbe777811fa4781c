"""Several optimizees under one roof: an individual's `task` says which of them evaluates it."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np

from l2l.errors import OptimizeeError, nearest
from l2l.individual import Individual, Outcome
from l2l.optimizees.base import Optimizee

Subjects = Mapping[str, Optimizee] | Iterable[str]
Build = Callable[[str], Optimizee]


class Group(Optimizee):
    """Optimizees by name, with the same space and objectives.

    members: by name. failures: by name, why an optimizee could not be built.
    """

    members: dict[str, Optimizee]
    failures: dict[str, str]

    @property
    def names(self) -> list[str]:
        """All of them, those that could not be built included, in the order given."""
        return self._names

    @property
    def name(self) -> str:
        return type(self).__name__

    def _gather(self, what: str, subjects: Subjects, build: Build | None) -> None:
        """Sets what the members are and, with the first of them, what all have in common."""
        self.members, self.failures, self._names = _built(what, subjects, build)
        if not self.members:
            why = "".join(f"; {name}: {reason}" for name, reason in self.failures.items())
            raise OptimizeeError(f"{what} must hold one subject or more that can be built, but holds none{why}")
        first, *others = self.members
        self.space, self.objectives = self.members[first].space, self.members[first].objectives
        for name in others:
            self._check_alike(first, name)
        self.batch_size = max(member.batch_size for member in self.members.values())

    def _check_alike(self, first: str, name: str) -> None:
        for attribute in ("space", "objectives"):
            mine, theirs = getattr(self.members[name], attribute), getattr(self, attribute)
            if _plain(mine) != _plain(theirs):
                raise OptimizeeError(
                    f"all subjects must have the same {attribute}, but {name!r} has {mine} and {first!r} {theirs}"
                )

    @abstractmethod
    def member(self, task: str) -> Optimizee:
        """Who evaluates individuals of this task. Raises OptimizeeError, with the nearest name, if nobody does."""

    def simulate(self, individual: Individual) -> Outcome:
        member = self.member(individual.task)
        outcome = member.simulate(individual)
        self.device = member.device
        return outcome

    def simulate_batch(self, individuals: Sequence[Individual]) -> Sequence[Outcome | Exception]:
        """The individuals of a subject go to it together: weights differ, so that a vector holds one subject only.

        Networks run beside each other, on as many threads as this process may use.
        """
        places: dict[str, list[int]] = {}
        for place, individual in enumerate(individuals):
            places.setdefault(individual.task, []).append(place)
        groups = [(self.member(task), [individuals[place] for place in own]) for task, own in places.items()]
        found: dict[int, Outcome | Exception] = {}
        for own, outcomes in zip(places.values(), _side_by_side(groups), strict=True):
            found |= zip(own, outcomes, strict=True)
        self.device = groups[-1][0].device if groups else self.device
        return [found[place] for place in range(len(individuals))]

    def describe(self) -> dict[str, Any]:
        return {
            "optimizee": type(self).__name__,
            "subjects": {name: member.describe() for name, member in self.members.items()},
            **({"failed": self.failures} if self.failures else {}),
        }

    def fingerprint(self) -> str:
        parts = {name: member.fingerprint() for name, member in self.members.items()}
        return hashlib.sha256(json.dumps([type(self).__name__, parts]).encode()).hexdigest()

    def _with(self, members: Mapping[str, Optimizee]) -> Self:
        """The same, of other members."""
        import copy

        other = copy.copy(self)
        other.members = dict(members)
        return other


def _built(
    what: str, subjects: Subjects, build: Build | None
) -> tuple[dict[str, Optimizee], dict[str, str], list[str]]:
    names = [subjects] if isinstance(subjects, str) else list(subjects)
    for name in names:
        if not isinstance(name, str) or not name or names.count(name) > 1:
            raise OptimizeeError(f"subjects must have names of their own, non-empty text, but got {name!r}")
    if (build is None) != isinstance(subjects, Mapping):
        raise OptimizeeError(
            f"{what} is given as optimizees by name, or as names with build=, a function that makes the one of a name"
        )
    members: dict[str, Optimizee] = {}
    failures: dict[str, str] = {}
    for name in names:
        try:
            member = subjects[name] if isinstance(subjects, Mapping) else build(name)  # type: ignore[misc]
        except Exception as error:  # one file that cannot be read must not end the others
            failures[name] = f"{type(error).__name__}: {error}"
            continue
        if not isinstance(member, Optimizee):
            raise OptimizeeError(f"subject {name!r} must be an optimizee, but is {member!r:.80}")
        members[name] = member
    return members, failures, names


def _side_by_side(groups: Sequence[tuple[Optimizee, list[Individual]]]) -> list[list[Outcome | Exception]]:
    from l2l.optimizees.brain import BrainNetwork

    # Anything else is the user's code, which nobody said may run in two threads.
    networks = all(isinstance(member, BrainNetwork) for member, _ in groups)
    threads = min(len(groups), _threads()) if networks and len(groups) > 1 else 1
    if threads == 1:
        return [_outcomes(*group) for group in groups]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda group: _outcomes(*group), groups))


def _threads() -> int:
    from l2l.simulator.kernels import cpu, cuda_device

    # Kernels of one process wait for each other on a GPU.
    return 1 if cuda_device.usable() else cpu.default_threads()


def _outcomes(member: Optimizee, individuals: list[Individual]) -> list[Outcome | Exception]:
    """One for each individual, whatever is raised: a batch is halved until the guilty one is alone."""
    if member.batch_size > 1:
        try:
            outcomes = list(member.simulate_batch(individuals))
        except Exception as error:
            if len(individuals) == 1:
                return [error]
            half = len(individuals) // 2
            return _outcomes(member, individuals[:half]) + _outcomes(member, individuals[half:])
        if len(outcomes) != len(individuals):
            wrong = f"simulate_batch must return one outcome an individual, but returned {len(outcomes)} for "
            return [OptimizeeError(f"{wrong}{len(individuals)}")] * len(individuals)
        return outcomes
    found: list[Outcome | Exception] = []
    for individual in individuals:
        try:
            found.append(member.simulate(individual))
        except Exception as error:
            found.append(error)
    return found


def _plain(value: Any) -> Any:
    return value.as_json() if hasattr(value, "as_json") else [each.as_json() for each in value]


def unknown(what: str, name: str, known: Iterable[str]) -> OptimizeeError:
    """The error for a name that is not there."""
    return OptimizeeError(f"{what} has no subject {name!r}: {nearest(name, known)}")


def seed_of(seed: int, name: str) -> int:
    """A 64-bit seed that depends on a seed and a name alone, never on who else is there."""
    digest = hashlib.sha256(name.encode()).digest()
    return int(np.random.SeedSequence([seed, *np.frombuffer(digest, "<u4").tolist()]).generate_state(1, np.uint64)[0])

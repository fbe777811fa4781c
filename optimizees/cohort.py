"""Many subjects that are fitted side by side, each for itself."""

from __future__ import annotations

import hashlib
import json
from typing import Self

from l2l.optimizees.base import Optimizee
from l2l.optimizees.subjects import Build, Group, Subjects, unknown


class Cohort(Group):
    """Subjects, each with an optimizee of its own; an Experiment gives each an optimizer and a seed of its own, too.

    subjects: optimizees by name; or names, with `build`.
    build: makes the optimizee of a name. What it raises (a file that is not there, a region without signal) is recorded
        as that subject's failure, and the others go on.
    All have the same space and objectives. Their generations are asked for together and evaluated in one ensemble,
    which fills the device however few individuals one subject has; what comes of a subject is the same to the bit as
    if it were fitted alone with `seed_of(seed, name)`.
    Raises OptimizeeError if no subject can be built, or subjects differ in space or objectives.
    """

    def __init__(self, subjects: Subjects, build: Build | None = None) -> None:
        self._gather("a cohort", subjects, build)

    def member(self, task: str) -> Optimizee:
        if task not in self.members:
            raise unknown("the cohort", task, self.members)
        return self.members[task]

    def validation(self) -> Self:
        return self._with({name: member.validation() for name, member in self.members.items()})

    def fingerprint(self) -> str:
        # Each subject's own run holds what decides its outcomes: one that could not be read may join later.
        return hashlib.sha256(json.dumps(["Cohort", self.names]).encode()).hexdigest()

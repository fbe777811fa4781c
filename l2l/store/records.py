"""What goes into the store and what comes out of it, as plain records."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from l2l.individual import Evaluation, Individual

#: A driver that has not been heard of for longer may be taken over, s.
HEARTBEAT_LIMIT = 60.0


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """A run as it begins.

    seed: root of the tree of seeds, an integer >= 0 of any size.
    space, objectives, optimizer, optimizee, runner, settings: configurations in JSON form; space as `Space.as_json`,
    objectives as `Objective.as_json`, the first of which defines the loss.
    provenance: script text and hash, git commit, package versions, host, command.
    fingerprint: equal for optimizees that compute the same.
    parent: id of the run this one continues or was warm-started from.
    """

    name: str
    seed: int
    space: Mapping[str, Any]
    objectives: Sequence[Mapping[str, Any]]
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    optimizee: Mapping[str, Any] = field(default_factory=dict)
    runner: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    tags: tuple[str, ...] = ()
    parent: int | None = None


@dataclass(frozen=True)
class Driver:
    """The process that writes a run: only one may.

    heartbeat: when it was last heard of, seconds since the epoch.
    """

    host: str
    pid: int
    heartbeat: float

    @property
    def alive(self) -> bool:
        """False if it is known to be dead: its process is gone on this host, or it is silent for too long."""
        if time.time() - self.heartbeat > HEARTBEAT_LIMIT:
            return False
        return self.host != socket.gethostname() or _process_exists(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _process_exists(pid: int) -> bool:
    if os.name != "posix":  # os.kill(pid, 0) ends a process on Windows
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class RunRecord:
    """A run as it stands in the database.

    status: running, finished, interrupted or failed; see `killed`.
    summary: what was recorded of the run as a whole: baselines, validation, ...
    generations, individuals: how many were asked. best: fitness of the first objective, None before the first one.
    driver: who writes it now; None if nobody does.
    """

    id: int
    name: str
    tags: tuple[str, ...]
    status: str
    seed: int
    created: datetime
    finished: datetime | None
    stop_reason: str
    space: dict[str, Any]
    objectives: list[dict[str, Any]]
    optimizer: dict[str, Any]
    optimizee: dict[str, Any]
    runner: dict[str, Any]
    settings: dict[str, Any]
    provenance: dict[str, Any]
    fingerprint: str
    parent: int | None
    summary: dict[str, Any]
    generations: int
    individuals: int
    best: float | None
    driver: Driver | None

    @property
    def killed(self) -> bool:
        """True if the run is marked as running, but its driver is gone: it can be resumed."""
        return self.status == "running" and (self.driver is None or not self.driver.alive)


@dataclass(frozen=True)
class RecordedGeneration:
    """A generation as asked, and what became of it: enough to resume by replay.

    told: whether the optimizer was told its evaluations.
    individuals: in the order of their positions, with the seeds of replicate 0.
    evaluations: by position, the last attempt of replicate 0; a position without one is still to be evaluated.
    Recordings are not loaded.
    """

    number: int
    told: bool
    individuals: list[Individual]
    evaluations: dict[int, Evaluation]
    summary: dict[str, Any] = field(default_factory=dict)

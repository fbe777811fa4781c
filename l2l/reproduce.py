"""Runs an individual of a recorded run again, and compares what comes out to the recorded bits.

What a database says of a script is somebody's word: the user's own file is run, after its hash was compared; the
recorded text only if the user says that it is trusted.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2l import provenance, runners
from l2l.errors import ScriptError, StoreError
from l2l.individual import Evaluation
from l2l.runners.base import Runner
from l2l.script import load_experiment
from l2l.store import plain
from l2l.store.recordings import digest, portable

if TYPE_CHECKING:
    from l2l.store import RunRecord
    from l2l.trajectory import Trajectory


@dataclass(frozen=True)
class Comparison:
    """One thing that was recorded and came out again. difference: the largest, of numbers of the same shape."""

    what: str
    recorded: str
    now: str
    same: bool
    difference: float | None = None


@dataclass(frozen=True)
class Reproduction:
    """What became of running an individual again.

    script: the file that was run, and in words whether it is the recorded one. optimizee: whether its fingerprint is
    the recorded one. versions: what differs, (then, now) by package. evaluation: what came out now.
    """

    run: int
    individual: tuple[int, int]
    script: str
    script_state: str
    optimizee_same: bool
    versions: dict[str, tuple[str, str]]
    comparisons: list[Comparison]
    evaluation: Evaluation

    @property
    def same(self) -> bool:
        """Whether every bit is."""
        return all(comparison.same for comparison in self.comparisons)


def reproduce(
    trajectory: Trajectory,
    individual: Any = None,
    *,
    script: str | Path | None = None,
    trust_recorded_script: bool = False,
    experiment: str | None = None,
    runner: str | Runner | None = None,
) -> Reproduction:
    """Evaluates an individual of a run again.

    individual: given as for `Trajectory.recording`; by default the best. script: where the script is now.
    trust_recorded_script: execute the text in the database, which whoever made the database wrote.
    experiment: which one, where the script holds several. runner: by default this process.
    Raises ScriptError if there is no script to run, StoreError if the individual was not evaluated.
    """
    if individual is None:
        best = trajectory.best_individuals(1)
        if not best:
            raise StoreError(f"run {trajectory.run.id} has no individual that ended well: name one, such as 0/3")
        individual = best[0]
    recorded = trajectory.evaluation(individual)
    with _script(trajectory, script, trust_recorded_script) as (path, state):
        loaded = load_experiment(path, experiment)
        with runners.create("serial" if runner is None else runner) as started:
            (now,) = started.evaluate(loaded.optimizee, [recorded.individual])
    return Reproduction(
        run=trajectory.run.id,
        individual=(recorded.individual.generation, recorded.individual.position),
        script="the recorded text" if trust_recorded_script else str(path),
        script_state=state,
        optimizee_same=loaded.optimizee.fingerprint() == trajectory.run.fingerprint,
        versions=_changed_versions(trajectory.run),
        comparisons=list(_compare(recorded, now)),
        evaluation=now,
    )


@contextmanager
def _script(trajectory: Trajectory, given: str | Path | None, trusted: bool) -> Iterator[tuple[Path, str]]:
    """The file to run, and what is to be said of it."""
    run = trajectory.run
    found = run.provenance.get("script")
    known = {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
    if trusted:
        text = known.get("text", "").encode()
        if not text or hashlib.sha256(text).hexdigest() != known.get("sha256"):
            raise ScriptError(f"run {run.id} has no recorded script that agrees with its hash: name one with --script")
        with tempfile.TemporaryDirectory(prefix="l2l-") as folder:
            path = Path(folder, "recorded.py")
            path.write_bytes(text)
            yield path, "as recorded, trusted by you"
        return
    if given is None:
        _check_own(trajectory)
    path = Path(given or known.get("path", "")).expanduser()
    if not str(given or known.get("path", "")):
        raise ScriptError(f"run {run.id} was not started from a script: name one with --script PATH")
    if not path.is_file():
        raise ScriptError(f"the script is no longer at {path}: say where it is by --script PATH")
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    if "sha256" not in known:
        yield path, "its hash was not recorded"
    elif now == known["sha256"]:
        yield path, "the recorded one, by its SHA-256"
    else:
        yield path, f"changed since: its SHA-256 was {known['sha256'][:12]}, and is {now[:12]}"


def _check_own(trajectory: Trajectory) -> None:
    if (trajectory.events()["kind"] == "imported").any():
        raise ScriptError(
            f"run {trajectory.run.id} was imported: the path of its script is somebody else's word. Name your own file "
            "with --script PATH (`l2l show --provenance` prints the recorded text), or trust the recorded text"
        )


def _changed_versions(run: RunRecord) -> dict[str, tuple[str, str]]:
    then, now = run.provenance.get("versions"), provenance.versions()
    if not isinstance(then, dict):
        return {}
    return {name: (str(then[name]), now[name]) for name in now if name in then and then[name] != now[name]}


def _compare(recorded: Evaluation, now: Evaluation) -> Iterator[Comparison]:
    yield Comparison("status", str(recorded.status), str(now.status), recorded.status is now.status)
    if recorded.error or now.error:
        yield Comparison("error", recorded.error, now.error, recorded.error == now.error)
    for group in ("fitness", "measurements"):
        then, found = getattr(recorded, group), plain.loads(plain.dumps(dict(getattr(now, group))))
        for name in dict.fromkeys([*then, *found]):
            first, second = (plain.dumps(values[name]) if name in values else "-" for values in (then, found))
            numbers = all(isinstance(values.get(name), int | float) for values in (then, found))
            apart = abs(then[name] - found[name]) if numbers else None
            yield Comparison(f"{group} {name}", first, second, first == second, apart)
    for name in recorded.recordings:
        yield _compare_arrays(name, recorded.recordings[name], now.recordings.get(name))


def _compare_arrays(name: str, recorded: Any, now: Any) -> Comparison:
    if now is None:
        return Comparison(f"recording {name}", _told(portable(recorded)), "-", False)
    first, second = portable(recorded), portable(now)
    alike = first.shape == second.shape
    same = alike and first.dtype == second.dtype and digest(first) == digest(second)
    apart = None
    if alike and first.size and not same:
        wide = (values.astype(np.complex128 if values.dtype.kind == "c" else np.float64) for values in (first, second))
        apart = float(np.nanmax(np.abs(next(wide) - next(wide)), initial=0.0))
    return Comparison(f"recording {name}", _told(first), _told(second), same, apart)


def _told(values: Any) -> str:
    return f"{values.dtype} {tuple(values.shape)}, SHA-256 {digest(values)[:12]}"

"""The subjects of a cohort, or the tasks of a family, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from l2l.errors import StoreError, nearest
from l2l.store.records import RunRecord
from l2l.store.store import Store
from l2l.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

_WITHOUT = ("generation", "position", "status", "attempt", "started", "worker", "host", "device", "job", "error")


def runs_of(store: Store, cohort: int) -> dict[str, RunRecord]:
    """The runs of a cohort's subjects by name, the latest of each; none for a run of another kind."""
    children = (record for record in store.runs() if record.parent == cohort)
    return {str(record.settings["subject"]): record for record in children if "subject" in record.settings}


def whole_of(record: RunRecord) -> int:
    """The cohort that a subject's run belongs to; of any other run itself."""
    return record.parent if "subject" in record.settings and record.parent is not None else record.id


def of(store: Store, run: int, name: str) -> Trajectory:
    """The run of one subject of a cohort. Raises StoreError, with the nearest name, if there is none."""
    known = runs_of(store, whole_of(store.run(run)))
    if name not in known:
        raise StoreError(f"run {run} has no subject {name!r}: {nearest(name, known)}")
    return Trajectory.open(store, known[name].id)


def table(store: Store, run: int) -> pd.DataFrame:
    """One row a subject of a cohort or of a task family, in their order; empty for a run of another kind.

    run: of the cohort, or of any of its subjects.
    Columns: subject, run, status, those of the best individual by the first objective (parameters, objectives,
    measurements, validated_...), evaluations, failures (of them), seconds (of all evaluations together), stop_reason
    (why the search ended, or why the subject failed). Of a family: subject, role ("train" or "held out"), status,
    objectives (of the family's best individual on that subject), validated_... (the same individual, with fresh noise),
    evaluations, failures, seconds, stop_reason.
    """
    import pandas as pd

    record = store.run(run)
    if "train" in record.optimizee:
        return _tasks(Trajectory.open(store, run))
    known = runs_of(store, whole_of(record))
    return pd.DataFrame([_row(store, name, record) for name, record in known.items()])


def _row(store: Store, name: str, record: RunRecord) -> Mapping[str, Any]:
    trajectory = Trajectory.open(store, record.id)
    found = trajectory.best(1)
    best = (
        {str(column): found[column].iloc[0] for column in found if column not in (*_WITHOUT, "seconds")}
        if len(found)
        else {}
    )
    generations = trajectory.generations()
    return {
        "subject": name,
        "run": record.id,
        "status": "killed" if record.killed else record.status,
        **{(f"best.{column}" if column in _FIXED else column): value for column, value in best.items()},
        "evaluations": int(generations["evaluated"].sum()),
        "failures": int(generations["failures"].sum()),
        "seconds": float(generations["seconds"].sum()),
        "stop_reason": record.stop_reason,
    }


def _tasks(trajectory: Trajectory) -> pd.DataFrame:
    import pandas as pd

    family = trajectory.run.optimizee
    evaluations = trajectory.evaluations()
    best = trajectory.best(1)
    if len(best):
        place = (evaluations[name] == best[name].iloc[0] for name in ("generation", "position"))
        of_best = evaluations[next(place) & next(place)]
    else:
        of_best = evaluations[:0]
    rows = []
    for role, names in (("train", family["train"]), ("held out", family["held_out"])):
        for name in names:
            own = evaluations[evaluations["task"] == name]
            mine = of_best[(of_best["task"] == name) & (of_best["status"] == "ok")]
            told, again = mine[mine["replicate"] == 0], mine[mine["replicate"] > 0]
            rows.append(
                {"subject": name, "role": role, "status": trajectory.run.status}
                | {each.name: told[each.name].mean() for each in trajectory.objectives}
                | {f"validated_{each.name}": again[each.name].mean() for each in trajectory.objectives}
                | {"evaluations": len(own), "failures": int((own["status"] != "ok").sum())}
                | {"seconds": float(own["seconds"].sum()), "stop_reason": trajectory.run.stop_reason}
            )
    rows += [{"subject": n, "status": "failed", "stop_reason": why} for n, why in family.get("failed", {}).items()]
    return pd.DataFrame(rows)


_FIXED = ("subject", "run", "status", "evaluations", "failures", "seconds", "stop_reason")

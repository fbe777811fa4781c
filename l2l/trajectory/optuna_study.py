"""A run as an Optuna study, so that optuna-dashboard and Optuna's own analyses show it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from l2l.errors import StoreError
from l2l.store import plain
from l2l.store.columns import elements, shape_of
from l2l.trajectory.files import rows_of

if TYPE_CHECKING:
    from l2l.trajectory.trajectory import Trajectory

_FIXED = (
    "generation",
    "position",
    "status",
    "attempt",
    "started",
    "seconds",
    "worker",
    "host",
    "device",
    "job",
    "error",
)


def write_study(trajectory: Trajectory, storage: str, name: str | None = None) -> tuple[str, int]:
    """Writes a run into an Optuna storage as a new study; returns the study's name and the number of its trials.

    storage: an SQLAlchemy URL, such as sqlite:///study.db. name: of the study; by default the run's and its number.
    Individuals that are not evaluated yet are left out; those that failed are failed trials. Generation, position,
    measurements and the rest are user attributes.
    Raises StoreError if Optuna is not installed, or if the storage has such a study or cannot be written.
    """
    try:
        import optuna
        from optuna.trial import FrozenTrial, TrialState
    except ImportError as error:
        raise StoreError("Optuna is not installed: pip install 'l2l[optuna]'") from error
    from sqlalchemy.exc import SQLAlchemyError

    record = trajectory.run
    chosen = name or f"{record.name} ({record.id})"
    parameters, objectives = trajectory.column_names()
    distributions = dict(zip(parameters, _distributions(record.space), strict=True))
    measured = None
    trials = []
    for row in rows_of(trajectory.individuals()):
        if row["status"] == "pending":
            continue
        if measured is None:
            measured = [key for key in row if key not in (*_FIXED, *parameters, *(column for column, _ in objectives))]
        ok = row["status"] == "ok"
        # Optuna's times are local and without a zone.
        began = row["started"].to_pydatetime(warn=False).astimezone().replace(tzinfo=None)
        attributes = {key: row[key] for key in ("generation", "position", "status", "seconds", "worker", *measured)}
        if not ok:
            attributes["error"] = row["error"]
        trials.append(
            FrozenTrial(
                number=-1,
                trial_id=-1,
                state=TrialState.COMPLETE if ok else TrialState.FAIL,
                value=None,
                values=[row[column] for column, _ in objectives] if ok else None,
                datetime_start=began,
                datetime_complete=began + timedelta(seconds=row["seconds"] or 0.0),
                params={column: row[column] for column in parameters},
                distributions=distributions,
                user_attrs={key: _plain(value) for key, value in attributes.items() if value is not None},
                system_attrs={},
                intermediate_values={},
            )
        )
    directions = ["maximize" if maximize else "minimize" for _, maximize in objectives]
    try:
        study = optuna.create_study(storage=storage, study_name=chosen, directions=directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([column for column, _ in objectives])
        for key, value in {"optimizer": record.optimizer, "optimizee": record.optimizee, "seed": record.seed}.items():
            study.set_user_attr(key, _plain(value))
        study.add_trials(trials)
    except optuna.exceptions.DuplicatedStudyError as error:
        raise StoreError(f"the storage has a study {chosen!r} already: name another storage, or delete it") from error
    except (optuna.exceptions.OptunaError, SQLAlchemyError, ValueError, ImportError) as error:
        raise StoreError(f"the study cannot be written to {storage}: {error!s:.300}") from error
    return chosen, len(trials)


def _distributions(space: Mapping[str, Any]) -> list[Any]:
    """Optuna's, for each element of each parameter."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: list[Any] = []
    for name, parameter in space.items():
        for _ in elements(name, shape_of(parameter)):
            if parameter["kind"] == "real":
                found.append(FloatDistribution(parameter["low"], parameter["high"], log=parameter["log"]))
            elif parameter["kind"] == "integer":
                found.append(IntDistribution(parameter["low"], parameter["high"]))
            else:
                found.append(CategoricalDistribution(parameter["choices"]))
    return found


def _plain(value: Any) -> Any:
    return json.loads(plain.dumps(value))

"""The read side: everything that ever happened in a run, as tables and arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, Select

from l2l.errors import StoreError, nearest
from l2l.individual import Evaluation, Individual
from l2l.objective import Objective
from l2l.space import Space
from l2l.store import queries, query
from l2l.store.columns import BEFORE, distinct
from l2l.store.labels import labelled
from l2l.store.query import Format
from l2l.store.records import RunRecord
from l2l.store.store import Store
from l2l.trajectory import analysis

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_P = ParamSpec("_P")
_R = TypeVar("_R")

_AT_ONCE = 500  # individuals named in one statement


def _understood(
    method: Callable[Concatenate[Trajectory, _P], _R],
) -> Callable[Concatenate[Trajectory, _P], _R]:
    """A method that makes sense of rows: raises StoreError where they hold what l2l does not write."""

    @wraps(method)
    def called(self: Trajectory, /, *args: _P.args, **given: _P.kwargs) -> _R:
        with self.store.understood():
            return method(self, *args, **given)

    return called


class Trajectory:
    """One run as recorded; open one with `Trajectory.open`.

    Tables are pandas DataFrames, made anew by every call, so that they show a run that is still going on as it is now.
    Where the user's names meet those of fixed columns or each other, the later gets a prefix: `parameters.status`,
    `fitness.G`, `measurements.seconds`.
    """

    def __init__(self, store: Store, run_id: int, *, owns_store: bool) -> None:
        self._store = store
        self._id = run_id
        self._owns_store = owns_store
        self._record = store.run(run_id)
        self._names = [objective.name for objective in self.objectives]

    @classmethod
    def open(cls, store: str | os.PathLike[str] | Store | None = None, run: int | str = "last") -> Trajectory:
        """A run of a store, for reading: nothing is created or changed, and a driver may be writing meanwhile.

        store: a path, an SQLAlchemy URL or an open store; None: $L2L_STORE, or else l2l.db in the working directory.
        run: its id, its name (the latest of that name), or "last".
        Raises StoreError if there is no such database, RunNotFoundError if there is no such run.
        """
        if isinstance(store, Store):
            return cls(store, store.find(run), owns_store=False)
        opened = Store.open(store, read_only=True)
        try:
            return cls(opened, opened.find(run), owns_store=True)
        except BaseException:
            opened.close()
            raise

    @property
    def run(self) -> RunRecord:
        """The run itself: its configuration, and how it stands now."""
        return self._store.run(self._id)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the run comes from: script, versions, host, command."""
        return self._record.provenance

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What was optimized; the first defines `best`."""
        return tuple(
            Objective(str(item["name"]), bool(item.get("maximize", False))) for item in self._record.objectives
        )

    @property
    def store(self) -> Store:
        """The store that the run is read from."""
        return self._store

    @property
    def store_url(self) -> str:
        """Where the run is kept: `Trajectory.open(store_url, run.id)` opens it again from any folder."""
        return self._store.url

    @property
    def store_label(self) -> str:
        """As `store_url`, without a password: for people and logs."""
        return self._store.label

    def individuals(self) -> pd.DataFrame:
        """One row an individual, in the order they were asked, with the last attempt of its evaluation.

        Columns: generation, position, status ("pending" before the first evaluation ends), a column a parameter
        (w[0], w[1], ... for those with a shape), a column an objective, a column a measurement, attempt, started,
        seconds, worker, host, device, job, error.
        """
        return self._table(queries.in_order(queries.individuals_query(self._id)))

    def query(
        self,
        where: str | None = None,
        *,
        columns: str | Sequence[str] | None = None,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        to: Format = "pandas",
    ) -> Any:
        """The individuals of this run that hold a condition such as "fc_corr > 0.5 and G < 2"; see `Store.query`."""
        return self._store.query(where, runs=self._id, columns=columns, sort=sort, limit=limit, to=to)

    @_understood
    def best(self, n: int = 10) -> pd.DataFrame:
        """The n best individuals by the first objective, best first; columns as of `individuals`.

        Where they were evaluated again with fresh noise, `validated_<objective>` is the mean over those replicates.
        """
        if n < 0:
            raise StoreError(f"how many individuals are asked for must be >= 0, but got {n}")
        n = min(n, 2**63 - 1)  # more than databases take
        among = self._store.read(lambda connection: queries.promising(connection, self._id, n))
        table = self._table(queries.best_query(self._id, n, among))
        places = list(zip(table["generation"].tolist(), table["position"].tolist(), strict=True))
        repeated = [
            row
            for start in range(0, len(places), _AT_ONCE)
            for row in self._rows(queries.validations_query(self._id, places[start : start + _AT_ONCE]))
        ]
        if not repeated:
            return table
        fitness = queries.parse(row.fitness for row in repeated)
        for name in self._names:
            values: dict[tuple[int, int], list[float]] = {}
            for row, reported in zip(repeated, fitness, strict=True):
                if name in reported:
                    values.setdefault((row.generation, row.position), []).append(reported[name])
            means = [float(np.mean(values[key])) if key in values else np.nan for key in places]
            table[f"validated_{name}"] = means
        return table

    def pareto(self) -> pd.DataFrame:
        """The individuals that no other one dominates, over all generations; columns as of `individuals`."""
        _, objectives = self.column_names()
        return analysis.pareto(self.individuals(), objectives)

    @_understood
    def pareto_individuals(self) -> list[Individual]:
        """As `pareto`, but as individuals, to be evaluated again."""
        front = self.pareto()
        places = list(zip(front["generation"].tolist(), front["position"].tolist(), strict=True))
        rows = self._rows(queries.parameters_query(self._id))
        parameters = {(row.generation, row.position): row.parameters for row in rows}
        return [Individual(queries.revive_parameters(self._record.space, parameters[at]), *at) for at in places]

    def best_per_generation(self) -> pd.DataFrame:
        """The best individual of each generation by the first objective; columns as of `individuals`."""
        _, objectives = self.column_names()
        return analysis.best_of_each(self.individuals(), "generation", *objectives[0])

    def nearest(self, point: Mapping[str, Any], n: int = 10) -> pd.DataFrame:
        """The n individuals nearest to a point, nearest first; columns as of `individuals`, and `distance`.

        point: values by name, of all parameters or of some: only these count. Each parameter is scaled by its range,
        so that a distance of 1 is from one end of every range to the other.
        """
        if n < 0:
            raise StoreError(f"how many individuals are asked for must be >= 0, but got {n}")
        rows = self._rows(queries.in_order(queries.parameters_query(self._id)))
        space = Space.from_json(self._record.space)
        points = [queries.revive_parameters(self._record.space, row.parameters) for row in rows]
        away = analysis.distances(space, points, point)
        order = np.argsort(away, kind="stable")[:n]
        # Both in the order they were asked: row i of the one is row i of the other.
        table = self.individuals().iloc[order].reset_index(drop=True)
        table["distance"] = away[order]
        return table

    @_understood
    def lineage(self, individual: Any) -> pd.DataFrame:
        """An individual, its parents, their parents, and so on; columns as of `individuals`, `depth` and `parents`.

        individual: given as for `recording`. depth: 0 for itself. parents: [(generation, position), ...]; none in
        the first generation, and none at all if the optimizer does not breed.
        """
        place = self.place(individual)
        rows = self._rows(queries.in_order(queries.parameters_query(self._id)))
        parents = {(row.generation, row.position): [(int(g), int(p)) for g, p in row.parents or []] for row in rows}
        depth, at = {place: 0}, [place]
        while at:
            above = dict.fromkeys(parent for one in at for parent in parents[one] if parent in parents)
            at = [parent for parent in above if parent not in depth]
            depth |= dict.fromkeys(at, max(depth.values()) + 1)
        import pandas as pd

        table = self.individuals()
        found = list(zip(table["generation"].tolist(), table["position"].tolist(), strict=True))
        table.insert(0, "depth", [depth.get(one, -1) for one in found])
        table["parents"] = pd.Series([parents[one] for one in found], dtype=object)
        return table[table["depth"] >= 0].sort_values("depth", kind="stable").reset_index(drop=True)

    def subjects(self) -> pd.DataFrame:
        """One row a subject of a cohort, with its best individual, or why it failed; see `l2l.trajectory.subjects`."""
        from l2l.trajectory import subjects

        return subjects.table(self._store, self._id)

    def subject(self, name: str) -> Trajectory:
        """The run of one subject of a cohort. Raises StoreError, with the nearest name, if there is none."""
        from l2l.trajectory import subjects

        return subjects.of(self._store, self._id, name)

    def duplicates(self) -> pd.DataFrame:
        """Individuals with the same parameters as another, to the bit; columns as of `individuals`, and `group`."""
        parameters, _ = self.column_names()
        return analysis.duplicates(self.individuals(), parameters)

    def best_individuals(self, n: int = 10) -> list[Individual]:
        """As `best`, but as individuals, to be evaluated again."""
        return self._store.read(lambda connection: queries.best_individuals(connection, self._id, n))

    def validated(self) -> list[Individual]:
        """The individuals that were evaluated again with fresh noise, whatever came of it, one for each replicate."""
        return self._store.read(lambda connection: queries.repeated_individuals(connection, self._id))

    @_understood
    def generations(self) -> pd.DataFrame:
        """One row a generation.

        Columns: number, size, evaluated, failures (of those evaluated), min, median and max of each objective
        (`fc_corr_min`, ...), seconds (sum over individuals), asked_at, told_at.
        """
        import pandas as pd

        found = self._columns(queries.generations_query(self._id))
        table = pd.DataFrame({"number": found["number"], "size": found["size"]})
        progress = self._columns(queries.progress_query(self._id))
        fitness = query.fitness_columns(progress["fitness"], {name: name for name in self._names})
        individuals = pd.DataFrame(
            {
                "generation": progress["generation"],
                "failed": np.array([status != "ok" for status in progress["status"]], dtype=bool),
                "seconds": np.array(progress["seconds"], dtype=np.float64),
            }
        )
        grouped = individuals.groupby("generation")
        columns = {"evaluated": grouped.size(), "failures": grouped["failed"].sum()}
        for name, reported in zip(self._names, fitness.values(), strict=True):
            values = pd.Series(reported).groupby(individuals["generation"])
            columns |= {f"{name}_min": values.min(), f"{name}_median": values.median(), f"{name}_max": values.max()}
        columns["seconds"] = grouped["seconds"].sum()
        for name, column in columns.items():
            table[name] = table["number"].map(column)
        counts = ["evaluated", "failures"]
        table[counts] = table[counts].fillna(0).astype(int)
        table["asked_at"] = query.times(found["asked_at"])
        table["told_at"] = query.times(found["told_at"])
        return table

    @_understood
    def evaluations(self) -> pd.DataFrame:
        """Every evaluation: all replicates, tasks and attempts, with fitness and measurements as columns."""
        import pandas as pd

        found = self._columns(queries.evaluations_query(self._id))
        first = ("generation", "position", "replicate", "task", "attempt", "status")
        last = ("seed", "started", "seconds", "worker", "host", "device", "job", "error", "traceback")
        columns: dict[str, Any] = {name: found[name] for name in first}
        taken = {*first, *last}
        columns |= query.fitness_columns(found["fitness"], distinct(self._names, "fitness", taken))
        columns |= query.measurement_columns(found["measurements"], taken)
        columns |= {name: found[name] for name in last}
        columns["started"] = query.times(columns["started"])
        columns["seed"] = np.array(columns["seed"], dtype=np.uint64)
        return pd.DataFrame(columns)

    def failures(self) -> pd.DataFrame:
        """Every evaluation that did not end well, with its error and traceback."""
        table = self.evaluations()
        columns = [
            "generation",
            "position",
            "replicate",
            "task",
            "attempt",
            "status",
            "error",
            "traceback",
            "worker",
            "host",
            "device",
            "job",
            "seconds",
        ]
        return table.loc[table["status"].ne("ok"), columns].reset_index(drop=True)

    @_understood
    def events(self) -> pd.DataFrame:
        """What happened to the run itself: at, kind, details."""
        import pandas as pd

        rows = self._rows(queries.events_query(self._id))
        return pd.DataFrame(
            {
                "at": query.times(row.at for row in rows),
                "kind": [row.kind for row in rows],
                "details": pd.Series([row.details for row in rows], dtype=object),
            }
        )

    def evaluation(self, individual: Any) -> Evaluation:
        """What the optimizer was told of an individual, with its arrays; given as for `recording`."""
        from l2l.trajectory.evaluation import evaluation_of

        return evaluation_of(self, individual)

    def workers(self) -> pd.DataFrame:
        """Where the run was computed: worker, host, device, job; a row for each."""
        import pandas as pd

        rows = self._rows(queries.workers_query(self._id))
        return pd.DataFrame([tuple(row) for row in rows], columns=["worker", "host", "device", "job"])

    def workload(self) -> pd.DataFrame:
        """What each worker did: a row for each host, worker, job and device.

        Columns beside these: evaluations, failures (that did not end ok), seconds (the sum), attempts (the sum, as
        many as evaluations where none was repeated; each counts where it ended), first and last seen (UTC).
        """
        import pandas as pd

        names = ["host", "worker", "job", "device", "evaluations", "failures", "seconds", "attempts", "first", "last"]
        rows = [tuple(row) for row in self._rows(queries.workload_query(self._id))]
        table = pd.DataFrame(rows, columns=names)
        texts = names[:4]
        table[texts] = table[texts].fillna("")
        for name in ("first", "last"):
            table[name] = pd.to_datetime(table[name].astype("float64"), unit="s", utc=True)
        return table

    def recordings(self, individual: Any, *, replicate: int = 0, task: str = "") -> list[str]:
        """The names of the arrays recorded for an individual, given as for `recording`."""
        return [row.name for row in self._recordings(individual, replicate, task)]

    def recording(self, individual: Any, name: str, *, replicate: int = 0, task: str = "") -> NDArray[Any]:
        """An array that was recorded, such as "fc".

        individual: (generation, position), the same as a text such as "3/17", a row of a table, or an Individual.
        Raises StoreError if there is none of that name, or if what is stored is damaged or missing.
        """
        return self._array(self._recording(individual, name, replicate, task))

    def labelled_recording(self, individual: Any, name: str, *, replicate: int = 0, task: str = "") -> xr.DataArray:
        """As `recording`, with the names of the axes, the coordinates and the unit that it was recorded with."""
        row = self._recording(individual, name, replicate, task)
        return labelled(self._array(row), name, queries.labels_of_row(row))

    def _array(self, row: Row[Any]) -> NDArray[Any]:
        return self._store.read(lambda connection: queries.read_array(connection, row, self._store.arrays))

    def _recording(self, individual: Any, name: str, replicate: int, task: str) -> Row[Any]:
        found = {row.name: row for row in self._recordings(individual, replicate, task)}
        if name not in found:
            raise StoreError(f"run {self._id} has no recording {name!r} of this individual: {nearest(name, found)}")
        return found[name]

    def _recordings(self, individual: Any, replicate: int, task: str) -> Sequence[Row[Any]]:
        generation, position = self.place(individual)
        return self._rows(queries.recordings_query(self._id, generation, position, replicate, task))

    def place(self, individual: Any) -> tuple[int, int]:
        """Generation and position of an individual, given as for `recording`. Raises StoreError if there is none."""
        try:
            if isinstance(individual, Individual):
                individual = (individual.generation, individual.position)
            elif isinstance(individual, str):
                individual = individual.split("/")
            elif not isinstance(individual, tuple | list):
                individual = (individual["generation"], individual["position"])
            generation, position = map(int, individual)
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise StoreError(
                'an individual must be (generation, position), the same as "3/17", a row of a table, '
                f"or an Individual, but got {individual!r:.80}"
            ) from error
        # Beyond 31 bits there is none, and databases take no larger numbers.
        if not (0 <= generation < 2**31 and 0 <= position < 2**31) or not self._store.read(
            lambda connection: queries.has_individual(connection, self._id, generation, position)
        ):
            raise StoreError(f"run {self._id} has no individual at generation {generation}, position {position}")
        return generation, position

    def _rows(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        return self._store.read(lambda connection: connection.execute(statement).all())

    def _columns(self, statement: Select[Any]) -> dict[str, Sequence[Any]]:
        return query.by_column(statement, self._rows(statement))

    @_understood
    def _table(self, statement: Select[Any]) -> pd.DataFrame:
        import pandas as pd

        make = query.everything_maker(self._record.space, self._names, BEFORE, self._reserved)
        return pd.DataFrame(make(self._columns(statement)))

    @property
    def _reserved(self) -> list[str]:
        return [f"validated_{name}" for name in self._names]

    def column_names(self) -> tuple[list[str], list[tuple[str, bool]]]:
        """Of the tables: the columns of the parameters, and those of the objectives, with whether each is maximised."""
        parameters, fitness, _ = query.column_names(self._record.space, self._names, BEFORE, self._reserved)
        return list(parameters.values()), [(fitness[each.name], each.maximize) for each in self.objectives]

    def export(self, to: str | os.PathLike[str]) -> str:
        """Writes the run to a table, an archive or an Optuna study; see `l2l.trajectory.export`."""
        from l2l.trajectory.export import export

        return export(self, to)

    def close(self) -> None:
        """Closes the store, unless it was given open."""
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Trajectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Trajectory({self._store.label!r}, run={self._id})"

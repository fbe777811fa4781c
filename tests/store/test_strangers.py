"""A database that somebody else made or altered: read, or refused in a line; never a traceback, never a program run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from l2l.errors import L2LError, StoreError
from l2l.individual import Evaluation, Individual
from l2l.store import RunSpec, Store
from l2l.store.listing import quick_lines
from l2l.trajectory import Trajectory, compare

DEEP = "[" * 100_000 + "]" * 100_000
DIGITS = "9" * 10_000


@pytest.fixture
def path(
    tmp_path: Path,
    spec: Callable[..., RunSpec],
    asked: Callable[..., list[Individual]],
    done: Callable[..., Evaluation],
) -> Path:
    with Store.open(tmp_path / "l2l.db") as store:
        for name in ("one", "two"):
            writer = store.create_run(spec(name))
            individuals = asked(0)
            writer.record_generation(0, individuals)
            writer.record_evaluations([done(one) for one in individuals])
            writer.finish("finished", "")
    return tmp_path / "l2l.db"


def alter(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executescript(script)
        connection.commit()


def ways_to_read(path: Path) -> list[Callable[[], Any]]:
    def with_trajectory(read: Callable[[Trajectory], Any]) -> Callable[[], Any]:
        def reading() -> Any:
            with Trajectory.open(path, 2) as trajectory:
                return read(trajectory)

        return reading

    def with_store(read: Callable[[Store], Any]) -> Callable[[], Any]:
        def reading() -> Any:
            with Store.open(path, read_only=True) as store:
                return read(store)

        return reading

    return [
        lambda: quick_lines(path),
        lambda: compare([1, 2], path),
        *map(with_store, (Store.runs, Store.run_lines, Store.query, lambda store: store.query("fc_corr > 0 or G > 1"))),
        *map(
            with_trajectory,
            (
                Trajectory.best,
                Trajectory.individuals,
                Trajectory.generations,
                Trajectory.evaluations,
                Trajectory.events,
                lambda trajectory: trajectory.lineage("0/1"),
            ),
        ),
    ]


def refused(path: Path) -> list[str]:
    """What the ways to read say that end in an error of ours; any other error fails the test."""
    said = []
    for read in ways_to_read(path):
        try:
            read()
        except L2LError as error:
            said.append(str(error))
    return said


def test_what_l2l_writes_is_read(path: Path) -> None:
    assert refused(path) == []


@pytest.mark.parametrize(
    "script",
    [
        f"UPDATE runs SET optimizer = '{DEEP}'",
        f"UPDATE runs SET tags = '{DEEP}'",
        f"UPDATE runs SET seed = '{DIGITS}'",
        "UPDATE runs SET tags = '3'",
        "UPDATE runs SET optimizer = '[1]'",
        "UPDATE runs SET optimizer = x'ff'",
        "UPDATE runs SET objectives = '[]'",
        "UPDATE runs SET objectives = '[{}]'",
        "UPDATE runs SET summary = '[]'",
        "UPDATE runs SET space = '[3]'",
        """UPDATE runs SET space = '{"G": {"kind": "real", "shape": [1000000, 1000000]}}'""",
        """UPDATE runs SET space = '{"G": {"kind": "real", "shape": "ab"}}'""",
        "UPDATE runs SET created = 'now'",
        "UPDATE runs SET created = 1e300",
        "UPDATE runs SET name = x'ff00fe'",
        "UPDATE individuals SET parameters = '{'",
        f"""UPDATE individuals SET parameters = '{{"G": {DIGITS}}}'""",
        f"""UPDATE individuals SET parameters = '{{"G": {DEEP}}}'""",
        """UPDATE evaluations SET fitness = '{"fc_corr": "high"}'""",
        """UPDATE evaluations SET fitness = '{"fc_corr": [1, 2]}'""",
        "UPDATE evaluations SET started = 1e300",
        "UPDATE evaluations SET started = 'x', seconds = 'y'",
        "UPDATE individuals SET parents = '7'",
        "UPDATE generations SET asked_at = 'x'",
        "INSERT INTO events (run_id, at, kind, details) VALUES (2, 0.0, 'x', '{')",
    ],
    ids=lambda script: script[7:60],
)
def test_values_that_nobody_wrote_are_refused_in_a_line(path: Path, script: str) -> None:
    alter(path, script)
    said = refused(path)
    assert said
    assert all("\n" not in each and len(each) < 1000 for each in said)


@pytest.mark.parametrize("name", ["runs", "individuals", "l2l_version"])
def test_a_view_in_place_of_a_table_is_refused_before_it_runs(path: Path, name: str) -> None:
    """Reading it would never end."""
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    alter(
        path,
        f"PRAGMA legacy_alter_table = ON; ALTER TABLE {name} RENAME TO hidden; "
        f"CREATE VIEW {name} AS {endless} SELECT hidden.* FROM hidden, c",
    )
    for read_only in (True, False):
        with pytest.raises(StoreError, match=f"{name} must be a table of rows, but is a view"):
            Store.open(path, read_only=read_only)
    if name == "runs":
        assert quick_lines(path) is None


def test_numbers_beyond_any_database_are_taken_for_what_they_mean(path: Path) -> None:
    with Trajectory.open(path, 2) as trajectory:
        assert len(trajectory.query("G >= 0", limit=10**30)) == len(trajectory.best(10**30)) == 4
        with pytest.raises(StoreError, match="no individual at generation 1000"):
            trajectory.lineage((10**30, 0))


def test_the_views_of_runs_stay_readable(path: Path) -> None:
    """They read JSON, which not every SQLite lets a schema do that is not trusted."""
    with Store.open(path, read_only=True) as store:
        rows = store.read(lambda connection: connection.exec_driver_sql("SELECT G, fc_corr FROM run_1").all())
        assert [row.fc_corr for row in rows] == [0.5] * 4

import sqlite3

import pytest
from sqlalchemy import text

from l2l.errors import StoreError
from l2l.individual import Individual

HOSTILE = [
    "'; DROP TABLE runs; --",
    '"; DROP TABLE runs; --',
    "a'b",
    'a"b',
    "a\"'b",
    "x) FROM runs; DELETE FROM runs; --",
    "%s",
    "%(x)s",
    ":bound",
    "$.a",
    "a.b",
    "[0]",
    "back\\slash",
    "--",
    "/*",
    "ünï",
    "日本",
    "line\nbreak",
    " ",
    "?",
    "{x}",
    "run_1",
    "select",
    "x" * 200,
    "x" * 199 + "y",
]


def rows(store, view):
    return store.read(
        lambda connection: (
            connection.execute(text(f"SELECT * FROM {view} ORDER BY generation, position")).mappings().all()
        )
    )


def test_a_view_shows_parameters_and_fitness_as_columns(store, spec, asked, done):
    writer = store.create_run(spec())
    individuals = asked()
    writer.record_generation(0, individuals, None)
    writer.record_evaluations([done(individuals[1], 0.5, 2.0)])
    found = rows(store, f"run_{writer.id}")
    assert [row["position"] for row in found] == [0, 1, 2, 3]
    assert [row["status"] for row in found] == ["pending", "ok", "pending", "pending"]
    assert found[1]["G"] == pytest.approx(individuals[1]["G"])
    assert (found[1]["n"], found[1]["rule"]) == (individuals[1]["n"], individuals[1]["rule"])
    assert (found[1]["fc_corr"], found[1]["fitness.error"], found[1]["loss"]) == (0.5, 2.0, -0.5)
    assert found[0]["fc_corr"] is None


@pytest.mark.parametrize("kind", ["parameter", "objective"])
def test_names_cannot_inject_sql(store, spec, kind):
    names = HOSTILE
    space = {name: {"kind": "real", "low": 0, "high": 1} for name in names} if kind == "parameter" else {}
    objectives = [{"name": name, "maximize": False} for name in (names if kind == "objective" else ["f"])]
    writer = store.create_run(spec("'; DROP TABLE runs; --", space=space, objectives=objectives, tags=("'; --",)))
    values = {name: float(place) for place, name in enumerate(names)}
    individual = Individual(values if kind == "parameter" else {})
    writer.record_generation(0, [individual], None)
    from l2l.individual import Evaluation, Status

    fitness = values if kind == "objective" else {"f": 0.0}
    writer.record_evaluations([Evaluation(individual, Status.OK, fitness)])
    (row,) = rows(store, f"run_{writer.id}")
    shown = [
        value
        for name, value in row.items()
        if name
        not in (
            "generation",
            "position",
            "status",
            "loss",
            "attempt",
            "started",
            "seconds",
            "worker",
            "host",
            "device",
            "job",
            "error",
            "f",
        )
    ]
    assert shown == [float(place) for place in range(len(names))]
    assert store.run("'; DROP TABLE runs; --").id == writer.id
    recorded = store.generations(writer.id)[0]
    assert recorded.individuals[0].parameters == individual.parameters
    assert recorded.evaluations[0].fitness == fitness


@pytest.mark.parametrize("name", ["a\x00b", "\ud800"])
def test_names_that_no_database_takes_are_refused(store, spec, name):
    with pytest.raises(StoreError, match="names must be text"):
        store.create_run(spec(space={name: {"kind": "real"}}))
    assert store.runs() == []


def test_names_that_meet_fixed_columns_get_a_prefix(store, spec):
    space = {name: {"kind": "real", "low": 0, "high": 1} for name in ("position", "Status", "seconds", "x", "X")}
    writer = store.create_run(spec(space=space, objectives=[{"name": "x", "maximize": False}]))
    writer.record_generation(0, [Individual(dict.fromkeys(space, 0.5))], None)
    columns = list(rows(store, f"run_{writer.id}")[0])
    assert columns[3:9] == [
        "parameters.position",
        "parameters.Status",
        "parameters.seconds",
        "x",
        "parameters.X",
        "fitness.x",
    ]


def test_many_parameters_make_no_view_too_wide(store, spec):
    space = {f"p{number}": {"kind": "real"} for number in range(3000)}
    writer = store.create_run(spec(space=space))
    assert rows(store, f"run_{writer.id}") == []


def test_plain_sqlite_reads_the_view(tmp_path, spec, asked):
    from l2l.store import Store

    with Store.open(tmp_path / "l2l.db") as store:
        store.create_run(spec()).record_generation(0, asked(), None)
    connection = sqlite3.connect(tmp_path / "l2l.db")
    assert connection.execute("SELECT count(*) FROM run_1 WHERE G >= 0").fetchone() == (4,)
    connection.close()

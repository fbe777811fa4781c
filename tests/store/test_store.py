import re
import time
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from l2l.errors import RunNotFoundError, StoreError
from l2l.individual import Evaluation, Individual, Status
from l2l.store import Store
from l2l.trajectory import Trajectory


def ask(store, query, **values):
    return store.read(lambda connection: connection.execute(text(query), values).all())


def test_a_run_is_read_as_it_was_written(store, spec):
    given = spec(
        "fit",
        seed=2**200 + 1,
        tags=("hcp", "ünï"),
        optimizer={"name": "cma-es", "sigma": np.float64(0.3)},
        provenance={"script": "x = 1\n", "nan": float("nan")},
        fingerprint="abc",
    )
    writer = store.create_run(given)
    record = writer.record
    assert (record.id, record.name, record.tags, record.status) == (1, "fit", ("hcp", "ünï"), "running")
    assert record.seed == 2**200 + 1
    assert record.space == given.space
    assert list(record.space) == list(given.space)
    assert record.objectives == given.objectives
    assert record.optimizer == {"name": "cma-es", "sigma": 0.3}
    assert np.isnan(record.provenance["nan"])
    assert abs(record.created.timestamp() - time.time()) < 10
    assert (record.generations, record.individuals, record.best, record.finished) == (0, 0, None, None)
    child = store.create_run(spec(parent=record.id))
    assert child.record.parent == record.id
    with pytest.raises(RunNotFoundError, match="parent run 99"):
        store.create_run(spec(parent=99))


def test_a_generation_is_read_bit_for_bit(store, spec, asked, done):
    writer = store.create_run(spec())
    first, second = asked(0), asked(1)
    writer.record_generation(0, first, None)
    writer.record_evaluations([done(first[2], 0.1 + 0.2, 1e-300, measurements={"n": np.int64(3), "x": float("inf")})])
    writer.record_evaluations(
        [
            done(first[0], status=Status.FAILED, fitness={}, error="ValueError: x\x00y", traceback="line \udc80"),
            done(first[1], 0.7, -0.0),
            done(first[3], status=Status.LOST, fitness={}),
        ]
    )
    writer.record_told(0, {"sigma": np.float32(0.5)})
    writer.record_generation(1, second, [((0, 1), (0, 2)), (), ((0, 3),), ()])
    recorded = store.generations(writer.id)
    assert [(item.number, item.told) for item in recorded] == [(0, True), (1, False)]
    assert recorded[0].summary == {"sigma": 0.5}
    for generation, individuals in zip(recorded, (first, second), strict=True):
        for back, individual in zip(generation.individuals, individuals, strict=True):
            assert back.key == individual.key
            assert back.seed == individual.seed
            assert list(back.parameters) == list(individual.parameters)
            for name, value in individual.parameters.items():
                assert type(back[name]) is type(value)
                assert np.asarray(back[name]).tobytes() == np.asarray(value).tobytes()
    evaluations = recorded[0].evaluations
    assert sorted(evaluations) == [0, 1, 2, 3]
    assert evaluations[2].fitness == {"fc_corr": 0.1 + 0.2, "error": 1e-300}
    assert evaluations[2].measurements == {"n": 3, "x": float("inf")}
    assert str(evaluations[1].fitness["error"]) == "-0.0"
    assert (evaluations[0].status, evaluations[0].fitness) == (Status.FAILED, {})
    assert evaluations[0].error == r"ValueError: x\x00y"
    assert evaluations[2].worker == "tcp://127.0.0.1:1"
    assert recorded[1].evaluations == {}
    assert ask(store, "SELECT parents FROM individuals WHERE generation = 1 AND position = 1")[0][0] is None


@pytest.mark.parametrize("seed", [0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_every_seed_survives(store, spec, asked, done, seed):
    writer = store.create_run(spec())
    individual = replace(asked(0, 1)[0], seed=seed)
    writer.record_generation(0, [individual], None)
    assert store.generations(writer.id)[0].individuals[0].seed == seed
    again = replace(individual, replicate=1, seed=seed ^ 1)
    writer.record_evaluations([done(individual), done(again)])
    assert [item.seed for item in Trajectory.open(store).validated()] == [seed ^ 1]
    assert Trajectory.open(store).evaluations()["seed"].tolist() == [seed, seed ^ 1]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_of_more_than_64_bits_is_refused(store, spec, asked, seed):
    writer = store.create_run(spec())
    with pytest.raises(StoreError, match="seed must lie in"):
        writer.record_generation(0, [replace(asked(0, 1)[0], seed=seed)], None)


def test_the_loss_is_the_first_objective_of_replicate_0(store, spec, asked, done):
    writer = store.create_run(spec())
    individuals = asked(0, 5)
    writer.record_generation(0, individuals, None)
    writer.record_evaluations(
        [
            done(individuals[0], 0.9),
            done(replace(individuals[0], replicate=1), 0.1),
            done(replace(individuals[1], task="subject 1"), 0.2),
            done(individuals[2], 0.9, status=Status.INVALID),
            done(individuals[3], float("nan")),
        ]
    )
    losses = [row.loss for row in ask(store, "SELECT loss FROM evaluations ORDER BY position, replicate")]
    assert losses == [-0.9, None, None, None, None]
    assert writer.record.best == 0.9


def test_the_last_attempt_counts(store, spec, asked, done):
    writer = store.create_run(spec())
    individuals = asked(0, 2)
    writer.record_generation(0, individuals, None)
    writer.record_evaluations([done(individuals[0], status=Status.LOST, fitness={}, attempt=1), done(individuals[1])])
    writer.record_evaluations([done(individuals[0], 0.8, attempt=2)])
    writer.record_told(0, {})
    assert store.generations(writer.id)[0].evaluations[0].attempt == 2
    losses = ask(store, "SELECT attempt, loss FROM evaluations ORDER BY position, attempt")
    assert [tuple(row) for row in losses] == [(1, None), (2, -0.8), (1, -0.5)]
    assert ask(store, "SELECT attempt FROM run_1 ORDER BY position") == [(2,), (1,)]


def test_nonsense_is_refused_and_leaves_nothing(store, spec, asked, done):
    writer = store.create_run(spec())
    individuals = asked()
    writer.record_generation(0, individuals, None)
    with pytest.raises(StoreError, match="generation 0 of run 1 cannot be recorded"):
        writer.record_generation(0, individuals, None)
    with pytest.raises(StoreError, match="must come in the order"):
        writer.record_generation(1, individuals, None)
    with pytest.raises(StoreError, match="every individual needs its parents"):
        writer.record_generation(1, asked(1), [()])
    with pytest.raises(StoreError, match="must be recorded before its evaluation"):
        writer.record_evaluations([done(individuals[0]), done(asked(5)[0])])
    with pytest.raises(StoreError, match="must be recorded before it is told"):
        writer.record_told(3, {})
    writer.record_evaluations([done(individuals[0])])
    with pytest.raises(StoreError, match="recorded already"):
        writer.record_evaluations([done(individuals[1]), done(individuals[0])])
    with pytest.raises(StoreError, match="ends as finished, interrupted or failed"):
        writer.finish("done", "")
    with pytest.raises(StoreError, match="name must be a non-empty"):
        store.create_run(spec(" "))
    with pytest.raises(StoreError, match="seed must be an integer"):
        store.create_run(spec(seed=-1))
    with pytest.raises(StoreError, match="at least one objective"):
        store.create_run(spec(objectives=[]))
    for statement in (
        "UPDATE evaluations SET status = 'fine'",
        "UPDATE runs SET status = 'done'",
        "INSERT INTO generations (run_id, number, asked_at, size) VALUES (99, 0, 0, 0)",
        "UPDATE individuals SET position = 1 WHERE position = 0",
    ):
        with pytest.raises(StoreError), store.write() as connection:
            connection.execute(text(statement))
    assert ask(store, "SELECT count(*) FROM evaluations") == [(1,)]
    assert [item.number for item in store.generations(1)] == [0]


def test_recordings_are_read_as_they_were_and_bad_ones_refused_by_an_event(store, spec, asked, done):
    writer = store.create_run(spec())
    individuals = asked()
    writer.record_generation(0, individuals, None)
    fc = np.corrcoef(np.random.default_rng(0).standard_normal((10, 50))).astype(np.float32)
    writer.record_evaluations(
        [
            done(individuals[0], recordings={"fc": fc, "rate": np.arange(3)}),
            done(individuals[1]),
            done(individuals[2], recordings={"bad": np.array([object()]), "good": np.ones(2)}),
        ]
    )
    with Trajectory.open(store) as trajectory:
        np.testing.assert_array_equal(trajectory.recording((0, 0), "fc"), fc)
        assert trajectory.recording((0, 0), "fc").dtype == np.float32
        assert trajectory.recordings((0, 0)) == ["fc", "rate"]
        assert trajectory.recordings((0, 1)) == []
        assert trajectory.recordings((0, 2)) == ["good"]
        events = trajectory.events()
        assert events["kind"].tolist() == ["recording refused"]
        assert events["details"][0]["name"] == "bad"
        assert "must hold numbers" in events["details"][0]["error"]
        assert trajectory.individuals()["status"].tolist() == ["ok", "ok", "ok", "pending"]


def test_summary_and_events(store, spec):
    writer = store.create_run(spec())
    writer.record_summary(baselines={"linear": 0.51})
    writer.record_summary(validation=[1, 2], baselines={"linear": 0.52})
    writer.record_event("note", {"x": np.float32(1.5)})
    assert writer.record.summary == {"baselines": {"linear": 0.52}, "validation": [1, 2]}
    assert Trajectory.open(store).events()[["kind", "details"]].values.tolist() == [["note", {"x": 1.5}]]


def test_runs_are_found_by_id_name_and_last(store, spec):
    with pytest.raises(RunNotFoundError, match="holds none yet"):
        store.run("last")
    for name in ("sphere", "resting state", "sphere", "7"):
        store.create_run(spec(name)).finish("finished", "budget")
    assert [record.id for record in store.runs()] == [1, 2, 3, 4]
    assert store.run(2).name == store.run("2").name == "resting state"
    assert store.run("sphere").id == 3
    assert store.run("last").id == store.run().id == 4
    assert store.run("7").id == 4
    with pytest.raises(RunNotFoundError, match=r"did you mean 'sphere'\?.* newest are 4 \(7\), 3 \(sphere\)"):
        store.run("spere")
    with pytest.raises(RunNotFoundError, match="no run 99"):
        store.run(99)
    with pytest.raises(RunNotFoundError):
        store.continue_run("nothing")


def test_a_run_ends_as_it_is_left(store, spec):
    with store.create_run(spec()) as writer:
        writer.finish("finished", "100 generations")
    assert (writer.record.status, writer.record.stop_reason) == ("finished", "100 generations")
    assert writer.record.driver is None
    assert writer.record.finished is not None
    with pytest.raises(StoreError, match="was finished"):
        writer.record_event("late", {})
    with store.create_run(spec()) as writer:
        pass
    assert writer.record.status == "interrupted"
    with pytest.raises(ZeroDivisionError), store.create_run(spec()) as writer:
        1 / 0  # noqa: B018
    assert (writer.record.status, writer.record.stop_reason) == ("failed", "ZeroDivisionError: division by zero")
    with pytest.raises(KeyboardInterrupt), store.create_run(spec()) as writer:
        raise KeyboardInterrupt
    assert (writer.record.status, writer.record.stop_reason) == ("interrupted", "KeyboardInterrupt")


def test_closing_the_store_closes_its_runs(url, spec):
    store = Store.open(url)
    writer = store.create_run(spec())
    store.close()
    with Store.open(url, read_only=True) as again:
        assert again.run().status == "interrupted"
    del writer


def test_a_run_is_continued_by_one_driver_at_a_time(store, spec, asked):
    writer = store.create_run(spec())
    with pytest.raises(StoreError, match=r"run 1 is being written by process \d+ on .*: wait"):
        store.continue_run(1)
    writer.finish("interrupted", "ctrl-c")
    again = store.continue_run("fit")
    assert again.id == 1
    assert (again.record.status, again.record.finished, again.record.stop_reason) == ("running", None, "")
    again.record_generation(0, asked(), None)
    assert [row.kind for row in ask(store, "SELECT kind FROM events")] == ["continued"]
    again.finish("finished", "")


def test_a_writer_forgotten_by_this_process_is_no_obstacle(store, spec):
    writer = store.create_run(spec())
    del writer
    store.continue_run(1).finish("finished", "")


@pytest.mark.parametrize("change", ["heartbeat = heartbeat - 61", "pid = 2147483646"])
def test_a_dead_driver_is_taken_over_and_may_not_write_on(store, spec, change):
    dead = store.create_run(spec())
    with store.write() as connection:
        connection.execute(text(f"UPDATE drivers SET {change}"))
    assert store.run().killed
    writer = store.continue_run(1)
    assert not store.run().killed
    assert [row.kind for row in ask(store, "SELECT kind FROM events")] == ["taken over"]
    with pytest.raises(StoreError, match="was taken over by another process"):
        dead.record_event("late", {})
    writer.record_event("fine", {})


def test_a_driver_on_another_host_is_judged_by_its_heartbeat(store, spec):
    writer = store.create_run(spec())
    with store.write() as connection:
        connection.execute(text("UPDATE drivers SET host = 'elsewhere', pid = 2147483646"))
    assert store.run().driver.alive
    with pytest.raises(StoreError, match="on elsewhere"):
        store.continue_run(1)
    del writer


def test_a_driver_that_waits_keeps_its_run(store, spec, monkeypatch):
    from l2l.store import writer as module

    monkeypatch.setattr(module, "_PULSE", 0.05)
    monkeypatch.setattr(module, "_BEAT", 0.0)
    writer = store.create_run(spec())
    with store.write() as connection:
        connection.execute(text("UPDATE drivers SET heartbeat = 0"))
    end = time.monotonic() + 10
    while not store.run().driver.alive and time.monotonic() < end:
        time.sleep(0.02)
    assert store.run().driver.alive
    writer.finish("finished", "")


def test_heartbeats_are_cheap(store, spec):
    writer = store.create_run(spec())
    start = time.perf_counter()
    for _ in range(10_000):
        writer.heartbeat()
    assert time.perf_counter() - start < 0.5  # 10,000 transactions would take seconds


def test_deleting_a_run_deletes_all_of_it_and_its_id_is_not_given_again(store, spec, asked, done):
    writer = store.create_run(spec())
    writer.record_generation(0, asked(), None)
    writer.record_evaluations([done(asked()[0], recordings={"fc": np.eye(3)})])
    writer.record_event("note", {})
    child = store.create_run(spec(parent=1))
    child.finish("finished", "")
    with store.write() as connection:
        connection.execute(text("DELETE FROM runs WHERE id = 1"))
    for table in ("generations", "individuals", "evaluations", "recordings", "events", "drivers"):
        assert ask(store, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert store.run(2).parent is None
    assert store.create_run(spec()).id == 3


def test_an_empty_generation_and_no_evaluations(store, spec):
    writer = store.create_run(spec())
    writer.record_generation(0, [], None)
    writer.record_evaluations([])
    writer.record_told(0, {})
    assert store.generations(1)[0].individuals == []


def test_a_categorical_choice_that_json_does_not_know(store, spec):
    writer = store.create_run(spec(space={"x": {"kind": "categorical", "choices": [float("inf"), "Infinity"]}}))
    writer.record_generation(0, [Individual({"x": float("inf")}), Individual({"x": "Infinity"}, position=1)], None)
    assert [item["x"] for item in store.generations(1)[0].individuals] == [float("inf"), "Infinity"]


def test_a_reader_sees_what_is_committed_and_cannot_write(store, url, spec, asked, done):
    writer = store.create_run(spec())
    with Store.open(url, read_only=True) as reader:
        assert reader.generations(1) == []
        writer.record_generation(0, asked(), None)
        assert len(reader.generations(1)[0].individuals) == 4
        writer.record_evaluations([done(asked()[0], 0.25)])
        assert reader.run().best == 0.25
        with pytest.raises(StoreError, match="opened for reading only"):
            reader.create_run(spec())
        with pytest.raises(StoreError):
            reader.read(lambda connection: connection.execute(text("DELETE FROM runs")))
    assert len(store.runs()) == 1


def test_evaluations_without_worker_or_times(store, spec, asked):
    writer = store.create_run(spec())
    writer.record_generation(0, asked(), None)
    writer.record_evaluations([Evaluation(asked()[0], Status.OK, {"fc_corr": np.float32(0.5), "error": np.float64(1)})])
    assert store.generations(1)[0].evaluations[0].fitness == {"fc_corr": 0.5, "error": 1.0}


def test_no_query_grows_with_the_square(postgresql_url, spec, asked, done):
    from sqlalchemy.dialects import postgresql

    from l2l.store import queries

    with Store.open(postgresql_url) as store:
        with store.write() as connection:  # as just after writing: PostgreSQL has no statistics yet
            for table in ("individuals", "evaluations"):
                connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        writer = store.create_run(spec())
        individuals = asked(0, 2000)
        writer.record_generation(0, individuals, None)
        writer.record_evaluations([done(individual) for individual in individuals])
        query = queries.individuals_query(1)
        for asked_for in (queries.best_query(1, 20, [0]), queries.in_order(query), queries.progress_query(1)):
            sql = asked_for.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
            plan = " ".join(row[0] for row in ask(store, f"EXPLAIN {str(sql).replace(':', chr(92) + ':')}"))
            # Workers are few: going through them an individual is no matter.
            filters = re.findall(r"Join Filter: .{30}", plan)
            assert all("workers." in found for found in filters), filters

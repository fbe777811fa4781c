import json
import sqlite3

import pytest
from sqlalchemy import create_engine, inspect, text

from l2l.errors import StoreError
from l2l.store import Store, migrations
from l2l.store.engine import connect, locate
from l2l.store.listing import quick_lines
from l2l.store.schema import metadata

NEXT = """
import sqlalchemy as sa
from alembic import op
revision = "9001"
down_revision = "NEWEST"
branch_labels = depends_on = None
def upgrade():
    op.add_column("runs", sa.Column("mood", sa.Text(), nullable=True))
"""


@pytest.fixture
def newer_library(tmp_path, monkeypatch):
    """As if this were the l2l of tomorrow, whose schema has one more column."""
    import shutil

    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder)
    (folder / "versions" / "v9001_next.py").write_text(NEXT.replace("NEWEST", migrations.REVISIONS[-1]))
    monkeypatch.setattr(migrations, "REVISIONS", (*migrations.REVISIONS, "9001"))
    monkeypatch.setattr(migrations, "FOLDER", folder)


def migrated(url):
    engine = connect(locate(url), read_only=False, busy_timeout=5)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    return engine


def description(engine):
    """All that makes a schema, in comparable form."""
    inspector = inspect(engine)
    tables = {}
    for name in sorted(inspector.get_table_names()):
        found = {
            "columns": [{key: str(value) for key, value in column.items()} for column in inspector.get_columns(name)],
            "primary": inspector.get_pk_constraint(name),
            "foreign": sorted(inspector.get_foreign_keys(name), key=str),
            "unique": sorted(inspector.get_unique_constraints(name), key=str),
            "checks": sorted(inspector.get_check_constraints(name), key=str),
            "indexes": sorted(inspector.get_indexes(name), key=lambda index: index["name"]),
        }
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name})
                found["never reuses ids"] = "AUTOINCREMENT" in made.scalar()
        tables[name] = json.dumps(found, default=str, sort_keys=True)
    return tables


def test_the_migrations_and_the_fast_path_give_the_same_schema(url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = migrated(url)
    slow = description(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrations.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    with engine.begin() as connection:
        for table in (*metadata.sorted_tables[::-1], migrations._version):
            table.drop(connection)
        migrations.create(connection)
    assert description(engine) == slow
    engine.dispose()


def test_a_migrated_database_is_opened_as_is(url, spec):
    migrated(url).dispose()
    with Store.open(url) as store:
        assert store.create_run(spec()).id == 1


def test_the_newest_revision_is_the_one_the_library_knows():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    script = ScriptDirectory.from_config(config)
    assert [item.revision for item in script.walk_revisions()][::-1] == list(migrations.REVISIONS)


def test_a_database_of_a_newer_schema_is_refused(url):
    Store.open(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE l2l_version SET version_num = '9999'"))
    engine.dispose()
    assert quick_lines(url) is None
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"has schema 9999, but .* upgrade l2l"):
            Store.open(url, read_only=read_only)


def test_an_older_sqlite_database_is_upgraded_after_a_backup(tmp_path, spec, request):
    path = tmp_path / "l2l.db"
    with Store.open(path) as store:
        store.create_run(spec("kept"))
    request.getfixturevalue("newer_library")
    with pytest.raises(StoreError, match="older schema 0002"):
        Store.open(path, read_only=True)
    with sqlite3.connect(path) as connection:
        assert "mood" not in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    with Store.open(path) as store:
        assert store.run("kept").name == "kept"
    connection = sqlite3.connect(path)
    assert "mood" in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    assert connection.execute("SELECT version_num FROM l2l_version").fetchall() == [("9001",)]
    connection.close()
    backup = sqlite3.connect(tmp_path / "l2l.db.backup-0002")
    assert backup.execute("SELECT name FROM runs").fetchall() == [("kept",)]
    assert backup.execute("SELECT version_num FROM l2l_version").fetchall() == [("0002",)]
    backup.close()


def test_an_older_postgresql_database_is_upgraded_on_request(postgresql_url, spec, request):
    with Store.open(postgresql_url) as store:
        store.create_run(spec("kept"))
    request.getfixturevalue("newer_library")
    with pytest.raises(StoreError, match="l2l db upgrade"):
        Store.open(postgresql_url)
    assert Store.upgrade(postgresql_url) == "9001"
    with Store.open(postgresql_url) as store:
        assert store.run().name == "kept"


def test_a_failing_migration_changes_nothing(tmp_path, spec, request):
    path = tmp_path / "l2l.db"
    with Store.open(path) as store:
        store.create_run(spec("kept"))
    request.getfixturevalue("newer_library")
    broken = migrations.FOLDER / "versions" / "v9001_next.py"
    broken.write_text(NEXT.replace("NEWEST", migrations.REVISIONS[-2]) + "    op.execute('SELECT * FROM nowhere')\n")
    with pytest.raises(StoreError, match="nowhere"):
        Store.open(path)
    connection = sqlite3.connect(path)
    assert "mood" not in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    assert connection.execute("SELECT version_num FROM l2l_version").fetchall() == [("0002",)]
    connection.close()


def first_schema(url):
    """A database as version 0001 left it: two attempts, a failure, a validation, arrays, and a damaged array."""
    import zlib

    from alembic import command
    from alembic.config import Config

    engine = connect(locate(url), read_only=False, busy_timeout=5)
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    with engine.begin() as connection:
        config.attributes.update(connection=connection, version_table=migrations.VERSION_TABLE)
        command.upgrade(config, "0001")
        run = """INSERT INTO runs (name, tags, status, seed, created, stop_reason, space, objectives, optimizer,
            optimizee, runner, settings, provenance, fingerprint, summary) VALUES
            ('old', '["a"]', 'interrupted', '5', 1.5, '', :space, :objectives, '{}', '{}', '{}', '{}', '{}', 'f',
             '{}')"""
        space = json.dumps({"x": {"kind": "real", "low": 0, "high": 1}})
        objectives = json.dumps([{"name": "f", "maximize": True}])
        for _ in range(2):
            connection.execute(text(run), {"space": space, "objectives": objectives})
        connection.execute(text("DELETE FROM runs WHERE id = 2"))
        connection.execute(
            text("""CREATE VIEW run_1 AS SELECT i.id, i.loss, e.status FROM individuals i
                 LEFT JOIN evaluations e ON e.individual_id = i.id""")
        )
        for number, told in ((0, 3.5), (1, None)):
            connection.execute(
                text("INSERT INTO generations (run_id, number, asked_at, told_at, size) VALUES (1, :n, 2.5, :t, 2)"),
                {"n": number, "t": told},
            )
        individual = """INSERT INTO individuals (id, run_id, generation, position, parameters, seed, loss, parents)
            VALUES (:id, 1, :generation, :position, :parameters, :seed, :loss, :parents)"""
        for key, (generation, position, loss, parents) in enumerate(
            [(0, 0, -0.5, None), (0, 1, None, None), (1, 0, -0.75, "[[0,0]]"), (1, 1, None, None)], 10
        ):
            values = {"generation": generation, "position": position, "loss": loss, "parents": parents}
            parameters = json.dumps({"x": 0.1 + 0.2 + key})
            connection.execute(text(individual), {"id": key, "parameters": parameters, "seed": -key, **values})
        evaluation = """INSERT INTO evaluations (id, individual_id, replicate, task, attempt, status, fitness,
            tell_order, seed, started, seconds, worker, host, device, error, traceback) VALUES
            (:id, :individual, :replicate, '', :attempt, :status, :fitness, NULL, :seed, 4.5, 0.25, :worker, 'h', '',
             '', '')"""
        for key, (place, replicate, attempt, status, fitness, worker) in enumerate(
            [
                (10, 0, 1, "lost", None, "w1"),
                (10, 0, 2, "ok", '{"f":0.5}', "w2"),
                (10, 1, 1, "ok", '{"f":0.4}', "w2"),
                (11, 0, 1, "failed", None, "w1"),
                (12, 0, 1, "ok", '{"f":0.75}', "w1"),
            ],
            20,
        ):
            values = {"replicate": replicate, "attempt": attempt, "status": status, "fitness": fitness}
            seed = 7 if replicate else None
            connection.execute(
                text(evaluation), {"id": key, "individual": place, "seed": seed, "worker": worker, **values}
            )
        recording = text("""INSERT INTO recordings (evaluation_id, name, dtype, shape, unit, codec, data)
            VALUES (:key, :name, '<f8', '[3]', '', 'zlib', :data)""")
        data = zlib.compress(bytes(16) + b"\x00\x00\x00\x00\x00\x00\xf0\x3f", 1)
        connection.execute(recording, {"key": 21, "name": "fc", "data": data})
        connection.execute(recording, {"key": 24, "name": "bad", "data": b"no zlib"})
        connection.execute(text("INSERT INTO events (run_id, at, kind, details) VALUES (1, 5.5, 'note', '{\"a\": 1}')"))
    engine.dispose()


def test_a_database_of_the_first_schema_is_read_as_it_was(url):
    from l2l.store.care import check
    from l2l.trajectory import Trajectory

    first_schema(url)
    assert Store.upgrade(url) == migrations.REVISIONS[-1]
    with Store.open(url) as store:
        assert store.run().best == 0.75
        first, second = store.generations(1)
        assert [individual["x"] for individual in first.individuals] == [0.1 + 0.2 + 10, 0.1 + 0.2 + 11]
        assert [individual.seed for individual in first.individuals] == [2**64 - 10, 2**64 - 11]
        assert (first.evaluations[0].attempt, first.evaluations[0].worker, first.evaluations[0].host) == (2, "w2", "h")
        assert first.evaluations[0].fitness == {"f": 0.5}
        assert str(first.evaluations[1].status) == "failed"
        assert (first.told, second.told, sorted(second.evaluations)) == (True, False, [0])
        trajectory = Trajectory.open(store)
        assert trajectory.best()["f"].tolist() == [0.75, 0.5]
        assert trajectory.best()["validated_f"][1] == 0.4
        assert trajectory.recording((0, 0), "fc").tolist() == [0, 0, 1]
        with pytest.raises(StoreError, match="damaged"):
            trajectory.recording((1, 0), "bad")
        assert trajectory.events()["details"].tolist() == [{"a": 1}]
        (problem,) = check(store)
        assert "'bad': the recording is damaged" in problem
        shown = store.read(
            lambda connection: connection.execute(text("SELECT x, f, worker FROM run_1 WHERE loss < -0.6")).one()
        )
        assert tuple(shown) == (0.1 + 0.2 + 12, 0.75, "w1")
        parents = store.read(
            lambda connection: connection.execute(
                text("SELECT parents FROM individuals WHERE generation = 1 AND position = 0")
            ).scalar()
        )
        assert parents in ("[[0,0]]", [[0, 0]])
        # It goes on, and the id of the run that was deleted is not given again.
        store.continue_run(1).finish("finished", "")
        from l2l.store import RunSpec

        spec = RunSpec(name="new", seed=1, space={}, objectives=[{"name": "f"}])
        new = store.create_run(spec)
        assert new.id == 3
        new.finish("finished", "")


def test_sqlite_is_upgraded_by_itself_after_a_copy(tmp_path):
    path = tmp_path / "l2l.db"
    first_schema(path)
    with Store.open(path) as store:
        assert len(store.generations(1)) == 2
    copy = sqlite3.connect(tmp_path / "l2l.db.backup-0001")
    assert copy.execute("SELECT count(*) FROM evaluations").fetchone() == (5,)
    assert copy.execute("SELECT count(loss) FROM individuals").fetchone() == (2,)
    copy.close()

import json
import sqlite3

import pytest
from sqlalchemy import create_engine, inspect, text

from l2l.errors import StoreError
from l2l.store import Store, migrations
from l2l.store.engine import connect, locate
from l2l.store.schema import Base

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
        assert compare_metadata(context, Base.metadata) == []
    with engine.begin() as connection:
        for table in (*Base.metadata.sorted_tables[::-1], migrations._version):
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

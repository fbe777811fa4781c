"""The schema's versions: which one a database has, how a new one is made, how an old one is brought up to date."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select

from l2l.errors import StoreError
from l2l.store.engine import Location
from l2l.store.reading import NO_TABLE
from l2l.store.schema import metadata, runs
from l2l.store.versions import REVISIONS as REVISIONS
from l2l.store.versions import VERSION_TABLE as VERSION_TABLE
from l2l.store.views import create_view

FOLDER = Path(__file__).parent

# As Alembic would create it.
_version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def revision(connection: Connection, location: Location) -> str | None:
    """The version of the database's schema; None if it has no tables of l2l yet.

    Raises StoreError if its tables are another program's, or of a newer l2l.
    """
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        tables = set(inspect(connection).get_table_names())
        foreign = sorted(tables & set(metadata.tables)) or (sorted(tables) if location.path else [])
        if foreign:
            raise StoreError(
                f"the database {location.label} belongs to another program: it has the tables "
                f"{', '.join(foreign[:5])}, but none named {VERSION_TABLE}: name another with --store"
            )
        return None
    if location.path is not None:
        for name in (VERSION_TABLE, *metadata.tables):
            if (other := connection.exec_driver_sql(NO_TABLE, (name,)).first()) is not None:
                raise StoreError(
                    f"the database {location.label} is not as l2l makes it: {name} must be a table of rows, but is a "
                    f"{other.type if other.type != 'table' else 'virtual table'}: name another with --store"
                )
    found = str(connection.execute(select(_version.c.version_num)).scalar())
    if found not in REVISIONS:
        raise StoreError(
            f"the database {location.label} has schema {found}, but this version of l2l knows only up to "
            f"{REVISIONS[-1]}: upgrade l2l (pip install --upgrade l2l)"
        )
    return found


def create(connection: Connection) -> None:
    """All tables at once, marked as the newest version: the same as every migration in turn, but in milliseconds."""
    metadata.create_all(connection)
    _version.create(connection)
    connection.execute(_version.insert().values(version_num=REVISIONS[-1]))


def upgrade(connection: Connection) -> None:
    """Applies the migrations that the database lacks, inside the connection's transaction."""
    # Alembic takes 0.15 s to import, and hardly any start needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    # They name the columns of the old schema.
    old = [name for name in inspect(connection).get_view_names() if re.fullmatch(r"run_[0-9]+", name)]
    for name in old:
        connection.exec_driver_sql(f"DROP VIEW {name}")
    command.upgrade(config, REVISIONS[-1])
    for run in connection.execute(select(runs.c.id, runs.c.space, runs.c.objectives)).all():
        create_view(connection, run.id, run.space, run.objectives)


def back_up(path: Path, found: str) -> Path:
    """A copy of an SQLite database beside it, as it is now, whatever its -wal file still holds."""
    target = path.with_name(f"{path.name}.backup-{found}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.backup-{found}-{number}")
    source = sqlite3.connect(path)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    return target

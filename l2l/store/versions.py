"""The schema's versions. Apart from `migrations`, so that a list of runs need not wait for SQLAlchemy to load."""

from __future__ import annotations

#: Every version of the schema, oldest first.
REVISIONS: tuple[str, ...] = ("0001", "0002")

# Not Alembic's usual name: other programs (Optuna) use that one, maybe in the same PostgreSQL database.
VERSION_TABLE = "l2l_version"

"""docs/schema.md: the tables, from their definition, and ten queries that the tests run on both databases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from l2l.store.migrations import REVISIONS
from l2l.store.schema import metadata

_HEAD = """\
# The database

Written by `l2l db schema > docs/schema.md` (schema {revision}); do not edit.

One schema for SQLite and PostgreSQL. Times are seconds since the epoch, UTC. What the user names (parameters, fitness,
measurements) is JSON, which both databases read with `->>`. A run's rows are known by their place: run, generation,
position. The view `run_12` shows the individuals of run 12 with a column for each parameter and fitness. Only the
driver of a run writes it; read with whatever you like, also meanwhile.

JSON has no NaN and no infinity: `"NaN"`, `"Infinity"` and `"-Infinity"` stand for them as text.
"""

_PLACES = """
```
runs -+- generations -- individuals -- evaluations -- recordings
      +- workers ----------------------'
      +- events
      +- drivers
```
"""


@dataclass(frozen=True)
class Query:
    """A question, and the SQL that answers it: one text for both databases unless they must differ."""

    question: str
    sql: str
    postgresql: str = ""

    def on(self, dialect: str) -> str:
        return self.postgresql if self.postgresql and dialect == "postgresql" else self.sql


#: Ten queries; G and fc_corr stand for a parameter and a fitness of yours, 1 for a run.
QUERIES = (
    Query(
        "What runs are there, how far did they come, and how good are they?",
        """SELECT r.id, r.name, r.status, count(g.number) AS generations, sum(g.size) AS individuals,
       min(g.best) AS best_loss
FROM runs r LEFT JOIN generations g ON g.run_id = r.id
GROUP BY r.id, r.name, r.status ORDER BY r.id""",
    ),
    Query(
        "The twenty best individuals of a run, with their parameters as columns",
        "SELECT * FROM run_1 WHERE loss IS NOT NULL ORDER BY loss LIMIT 20",
    ),
    Query(
        "All individuals of one generation",
        "SELECT * FROM run_1 WHERE generation = 0 ORDER BY position",
    ),
    Query(
        "Individuals of all runs in a range of a parameter",
        """SELECT i.run_id, i.generation, i.position, i.parameters ->> 'G' AS g, e.loss
FROM individuals i
JOIN evaluations e USING (run_id, generation, position)
WHERE CAST(i.parameters ->> 'G' AS DOUBLE PRECISION) BETWEEN 1 AND 2
  AND e.replicate = 0 AND e.status = 'ok'
ORDER BY e.loss""",
    ),
    Query(
        "How the fitness went, generation by generation",
        """SELECT e.generation, count(*) AS evaluated, avg(CAST(e.fitness ->> 'fc_corr' AS DOUBLE PRECISION)) AS mean,
       max(CAST(e.fitness ->> 'fc_corr' AS DOUBLE PRECISION)) AS largest
FROM evaluations e
WHERE e.run_id = 1 AND e.replicate = 0 AND e.status = 'ok'
GROUP BY e.generation ORDER BY e.generation""",
    ),
    Query(
        "What failed, how often, and why",
        """SELECT run_id, status, error, count(*) AS times
FROM evaluations WHERE status <> 'ok'
GROUP BY run_id, status, error ORDER BY times DESC, run_id""",
    ),
    Query(
        "How long the evaluations took on each worker",
        """SELECT w.host, w.name, w.device, w.job, count(*) AS evaluations, avg(e.seconds) AS mean_seconds
FROM evaluations e JOIN workers w ON w.run_id = e.run_id AND w.number = e.worker
WHERE e.run_id = 1
GROUP BY w.host, w.name, w.device, w.job ORDER BY w.host, w.name""",
    ),
    Query(
        "The best of each optimizer, over the runs with a tag",
        """SELECT r.optimizer ->> 'name' AS optimizer, count(DISTINCT r.id) AS runs, min(g.best) AS best_loss
FROM runs r JOIN generations g ON g.run_id = r.id
WHERE EXISTS (SELECT 1 FROM json_each(r.tags) AS tag WHERE tag.value = 'hcp')
GROUP BY r.optimizer ->> 'name' ORDER BY best_loss""",
        """SELECT r.optimizer ->> 'name' AS optimizer, count(DISTINCT r.id) AS runs, min(g.best) AS best_loss
FROM runs r JOIN generations g ON g.run_id = r.id
WHERE EXISTS (SELECT 1 FROM json_array_elements_text(r.tags) AS tag WHERE tag = 'hcp')
GROUP BY r.optimizer ->> 'name' ORDER BY best_loss""",
    ),
    Query(
        "Parents of an individual, and theirs, as far back as they are known",
        """WITH RECURSIVE line(generation, position, parents) AS (
  SELECT generation, position, parents FROM individuals WHERE run_id = 1 AND generation = 1 AND position = 0
  UNION
  SELECT i.generation, i.position, i.parents
  FROM line, json_each(line.parents) AS parent, individuals i
  WHERE i.run_id = 1 AND i.generation = parent.value ->> 0 AND i.position = parent.value ->> 1
)
SELECT generation, position FROM line ORDER BY generation DESC, position""",
        """WITH RECURSIVE line(generation, position, parents) AS (
  SELECT generation, position, parents::jsonb FROM individuals
  WHERE run_id = 1 AND generation = 1 AND position = 0
  UNION
  SELECT i.generation, i.position, i.parents::jsonb
  FROM line, jsonb_array_elements(line.parents) AS parent, individuals i
  WHERE i.run_id = 1 AND i.generation = (parent ->> 0)::int AND i.position = (parent ->> 1)::int
)
SELECT generation, position FROM line ORDER BY generation DESC, position""",
    ),
    Query(
        "What the arrays of each run take, and how well they are compressed",
        """SELECT run_id, name, dtype, codec, count(*) AS arrays, sum(length(data)) AS bytes
FROM recordings WHERE data IS NOT NULL
GROUP BY run_id, name, dtype, codec ORDER BY bytes DESC""",
    ),
)


def describe() -> str:
    """The text of docs/schema.md."""
    parts = [_HEAD.format(revision=REVISIONS[-1]), _PLACES, "\n## Tables\n"]
    parts += [_table(table) for table in sorted(metadata.sorted_tables, key=lambda table: _ORDER.index(table.name))]
    parts.append("\n## Ten queries\n")
    for number, query in enumerate(QUERIES, 1):
        parts.append(f"\n{number}. {query.question}\n")
        if query.postgresql:
            parts.append(f"\n   SQLite:\n{_code(query.sql)}\n   PostgreSQL:\n{_code(query.postgresql)}")
        else:
            parts.append(_code(query.sql))
    return "".join(parts)


_ORDER = ("runs", "generations", "individuals", "workers", "evaluations", "recordings", "events", "drivers")


def _code(sql: str) -> str:
    indented = "\n".join(f"   {line}" for line in sql.splitlines())
    return f"\n   ```sql\n{indented}\n   ```\n"


def _table(table: Table) -> str:
    text = table.info["about"]
    lines = [f"\n### {table.name}\n\n{text}\n\n", "| column | SQLite | PostgreSQL | |\n", "| --- | --- | --- | --- |\n"]
    lines += [_column(column) for column in table.columns]
    laws = [
        *(f"`{constraint.sqltext}`" for constraint in table.constraints if isinstance(constraint, CheckConstraint)),
        *(
            f"unique ({', '.join(column.name for column in constraint.columns)})"
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
        ),
        *(
            f"({', '.join(constraint.column_keys)}) is a row of {constraint.referred_table.name}"
            for constraint in table.foreign_key_constraints
        ),
    ]
    if laws:
        lines.append("\n" + "".join(f"- {law}\n" for law in sorted(laws)))
    return "".join(lines)


def _column(column: Column[Any]) -> str:
    types = [column.type.compile(dialect) for dialect in (sqlite.dialect(), postgresql.dialect())]  # type: ignore[no-untyped-call]
    said = "key" if column.primary_key else "" if not column.nullable else "may be NULL"
    return f"| {column.name} | {' | '.join(re.sub(' +', ' ', kind) for kind in types)} | {said} |\n"

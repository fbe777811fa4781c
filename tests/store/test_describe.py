"""The documented schema is the one there is, and its queries answer what they say, on both databases."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from l2l.individual import Individual, Status
from l2l.store.describe import QUERIES, describe

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == describe(), "run: l2l db schema > docs/schema.md"


def test_there_are_ten():
    assert len(QUERIES) == 10


@pytest.fixture
def answers(store, spec, asked, done):
    """The rows that each query gives, by its question."""
    writer = store.create_run(spec(tags=("hcp",), optimizer={"name": "cma-es"}))
    first = [
        Individual({**item.parameters, "G": g}, 0, item.position)
        for item, g in zip(asked(0), (0.5, 1.5, 1.7, 3), strict=True)
    ]
    writer.record_generation(0, first, None)
    writer.record_evaluations(
        [
            done(first[0], 0.1, recordings={"fc": np.eye(4, dtype=np.float32)}),
            done(first[1], 0.3, seconds=0.75, job="77"),
            done(first[2], 0.2),
            done(first[3], status=Status.FAILED, fitness={}, error="ValueError: x"),
        ]
    )
    writer.record_told(0, {})
    writer.record_generation(1, asked(1, 2), [((0, 1), (0, 2)), ()])
    writer.record_told(1, {})
    writer.finish("finished", "")
    store.create_run(spec("empty", optimizer={"name": "random"})).finish("finished", "")
    dialect = "sqlite" if store.path else "postgresql"

    def ask(number):
        sql = QUERIES[number - 1].on(dialect)
        # SQLAlchemy's text() would take ::int for a parameter.
        found = store.read(lambda connection: connection.execute(text(sql.replace(":", r"\:"))).mappings().all())
        return [dict(row) for row in found]

    return ask


def test_the_queries_answer(answers):
    runs = answers(1)
    assert [(row["name"], row["generations"], row["individuals"], row["best_loss"]) for row in runs] == [
        ("fit", 2, 6, -0.3),
        ("empty", 0, None, None),
    ]
    assert [row["fc_corr"] for row in answers(2)] == [0.3, 0.2, 0.1]
    assert [row["status"] for row in answers(3)] == ["ok", "ok", "ok", "failed"]
    assert [(row["position"], float(row["g"])) for row in answers(4)] == [(1, 1.5), (2, 1.7)]
    (row,) = answers(5)
    assert (row["generation"], row["evaluated"], row["largest"]) == (0, 3, 0.3)
    assert row["mean"] == pytest.approx(0.2, rel=1e-12)  # a sum of three, in whatever order
    assert answers(6) == [{"run_id": 1, "status": "failed", "error": "ValueError: x", "times": 1}]
    assert {(row["host"], row["job"]): (row["evaluations"], row["mean_seconds"]) for row in answers(7)} == {
        ("node1", ""): (3, 0.25),
        ("node1", "77"): (1, 0.75),
    }
    assert answers(8) == [{"optimizer": "cma-es", "runs": 1, "best_loss": -0.3}]
    assert [(row["generation"], row["position"]) for row in answers(9)] == [(1, 0), (0, 1), (0, 2)]
    (row,) = answers(10)
    assert (row["name"], row["dtype"], row["arrays"]) == ("fc", "<f4", 1)

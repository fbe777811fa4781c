"""What a query finds is what the same condition finds in a table of everything, on either database."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from l2l.errors import QueryError, RunNotFoundError
from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, Store

ODD = 'it\'s "odd" $.x [0]'


@pytest.fixture
def filled(
    store: Store,
    spec: Callable[..., RunSpec],
    asked: Callable[..., list[Individual]],
    done: Callable[..., Evaluation],
) -> Store:
    """Three runs: two alike, one with another space; failures, pending individuals, NaN, retries, measurements."""
    rng = np.random.default_rng(1)
    real = spec().space["G"]
    specs = [
        spec("first", tags=("hcp", "pilot"), optimizer={"name": "cma-es"}, optimizee={"model": "Kuramoto"}),
        spec("second", tags=("hcp",), optimizer={"name": "grid"}, optimizee={"model": "Linear"}),
        spec(
            "third",
            space={"G": real, ODD: real, "on": {"kind": "categorical", "choices": [True, False]}},
            objectives=[{"name": "loss'", "maximize": False}],
        ),
    ]
    for number, one in enumerate(specs):
        writer = store.create_run(one)
        for generation in range(2):
            individuals = asked(10 * number + generation, 12)
            if number == 2:
                individuals = [
                    Individual(
                        {"G": each.parameters["G"], ODD: float(each.position), "on": each.position % 2 == 0},
                        generation,
                        each.position,
                        seed=each.seed,
                    )
                    for each in individuals
                ]
            else:
                individuals = [
                    Individual(each.parameters, generation, each.position, seed=each.seed) for each in individuals
                ]
            writer.record_generation(generation, individuals)
            for each in individuals[:-2]:
                extra: dict[str, Any] = {"measurements": {"mean rate": float(rng.normal()), "n_steps": each.position}}
                if number == 2:
                    extra["fitness"] = {"loss'": float(rng.normal())}
                if each.position == 3:
                    extra |= {"status": Status.FAILED, "fitness": {}, "measurements": {}, "error": "boom"}
                if each.position == 4:
                    extra["measurements"] = {"mean rate": float("nan")}
                writer.record_evaluations(
                    [done(each, *rng.uniform(size=2).tolist(), host=f"node{each.position % 3}", **extra)]
                )
        writer.finish("finished", "done")
    return store


def places(frame: Any) -> set[tuple[int, int, int]]:
    return set(zip(frame["run"].tolist(), frame["generation"].tolist(), frame["position"].tolist(), strict=True))


CONDITIONS: list[tuple[str, Callable[[pd.DataFrame], Any]]] = [
    ("fc_corr > 0.5 and G < 2", lambda t: (t.fc_corr > 0.5) & (t.G < 2)),
    ("G < 1 or G >= 4", lambda t: (t.G < 1) | (t.G >= 4)),
    ("not (G < 1 or fc_corr > 0.2)", lambda t: ~((t.G < 1) | (t.fc_corr > 0.2))),
    ("0.5 < w[1] <= 1.5", lambda t: (t["w[1]"] > 0.5) & (t["w[1]"] <= 1.5)),
    ("rule == 'a' and n in (1, 2, 3)", lambda t: (t.rule == "a") & t.n.isin([1, 2, 3])),
    ("rule in ('b',) and not n == 4", lambda t: (t.rule == "b") & (t.n != 4)),
    ("status in ('failed', 'pending')", lambda t: t.status.isin(["failed", "pending"])),
    ("status != 'ok'", lambda t: t.status != "ok"),
    ("host == 'node1' and generation == 1", lambda t: (t.host == "node1") & (t.generation == 1)),
    ('measurements["mean rate"] > 0', lambda t: t["mean rate"] > 0),
    ("not n_steps < 5", lambda t: ~(t.n_steps < 5)),
    ("fc_corr is None", lambda t: t.fc_corr.isna()),
    ("fc_corr is not None and run == 2", lambda t: t.fc_corr.notna() & (t.run == 2)),
    ("fc_corr > fitness.error", lambda t: t.fc_corr > t.error_),
    ("fitness.error >= 0.3 and position <= 5", lambda t: (t.error_ >= 0.3) & (t.position <= 5)),
    ("started > '2020-01-01' and seconds < 1", lambda t: t.seconds < 1),
    (f"parameters[{ODD!r}] >= 4", lambda t: t[ODD] >= 4),
    ("on == True", lambda t: t.on == True),  # noqa: E712
    ('fitness["loss\'"] < 0', lambda t: t["loss'"] < 0),
]


@pytest.mark.parametrize(("text", "meant"), CONDITIONS, ids=[text for text, _ in CONDITIONS])
def test_conditions(filled: Store, text: str, meant: Callable[[pd.DataFrame], Any]) -> None:
    everything = filled.query().rename(columns={"fitness.error": "error_"})
    expected = everything[meant(everything).fillna(False).astype(bool)]
    assert 0 < len(expected) < len(everything)
    assert places(filled.query(text)) == places(expected)
    assert places(filled.query(text, columns="G")) == places(expected)


@pytest.mark.parametrize(
    ("selectors", "ids"),
    [
        ((), {1, 2, 3}),
        (2, {2}),
        ("last", {3}),
        ("first,third", {1, 3}),
        ("tag:hcp", {1, 2}),
        (["tag:hcp", "model:Linear"], {2}),
        ("optimizer:cma-es,3", {1, 3}),
        ("after:2020-01-01", {1, 2, 3}),
    ],
)
def test_runs_are_chosen(filled: Store, selectors: Any, ids: set[int]) -> None:
    assert set(filled.query(runs=selectors)["run"]) == ids


def test_no_run_may_be_meant(filled: Store) -> None:
    assert filled.query(runs="before:2020-01-01").empty


def test_columns_sort_and_limit(filled: Store) -> None:
    everything = filled.query(runs="tag:hcp")
    top = filled.query(runs="tag:hcp", columns="G, fc_corr, w[2]", sort="-fc_corr", limit=5)
    assert list(top.columns) == ["run", "generation", "position", "G", "fc_corr", "w[2]"]
    expected = everything.nlargest(5, "fc_corr")
    for name in top.columns:
        np.testing.assert_array_equal(top[name], expected[name])
    # What has no value comes last, whichever way it is sorted.
    assert filled.query(columns="fc_corr", sort="fc_corr")["fc_corr"].isna().to_numpy().tolist() == sorted(
        filled.query(columns="fc_corr", sort="-fc_corr")["fc_corr"].isna()
    )


def test_formats_agree(filled: Store) -> None:
    pandas = filled.query("G < 3", columns="G,rule,started")
    arrow = filled.query("G < 3", columns="G,rule,started", to="arrow")
    polars = filled.query("G < 3", columns="G,rule,started", to="polars")
    assert arrow.num_rows == polars.height == len(pandas) > 0
    np.testing.assert_array_equal(polars["G"].to_numpy(), pandas["G"])
    np.testing.assert_array_equal(arrow["G"].to_numpy(), pandas["G"])


def test_batches_hold_the_same_rows_in_the_same_order(filled: Store) -> None:
    whole = filled.query("G < 4", columns="G", sort="G")
    parts = list(filled.query_batches("G < 4", columns="G", sort="G", size=7))
    assert [len(part) for part in parts[:-1]] == [7] * (len(parts) - 1)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


@pytest.mark.parametrize(
    ("arguments", "law"),
    [
        ({"where": "fc_cor > 0"}, "did you mean 'fc_corr'"),
        ({"where": "parameters.fc_corr > 0"}, "among their parameters"),
        ({"where": "w > 0"}, r"w\[0\]"),
        ({"where": "G[0] > 0"}, "has shape"),
        ({"where": "status > 3"}, "is a text"),
        ({"where": "generation == 'a'"}, "is a number"),
        ({"where": "generation[0] == 1"}, "no elements"),
        ({"where": "started > 'yesterday'"}, "2026-11-21"),
        ({"columns": "nothing"}, "no 'nothing'"),
        ({"sort": "-nothing"}, "no 'nothing'"),
        ({"limit": -1}, "limit must be"),
        ({"limit": True}, "limit must be"),
        ({"to": "excel"}, "unknown format"),
        ({"runs": "tags:hcp"}, "did you mean 'tag'"),
        ({"runs": "tag:hpc"}, "did you mean 'hcp'"),
        ({"runs": "first,,third"}, "between its commas"),
        ({"runs": "after:yesterday"}, "a time must be written"),
    ],
)
def test_mistakes_are_named(filled: Store, arguments: dict[str, Any], law: str) -> None:
    with pytest.raises(QueryError, match=law):
        filled.query(**arguments)


@pytest.mark.parametrize("run", ["77", 77, "frist"])
def test_absent_runs(filled: Store, run: str | int) -> None:
    with pytest.raises(RunNotFoundError):
        filled.query(runs=run)


def test_sql_in_names_and_values_is_text(filled: Store) -> None:
    for text in ("rule == 'a''; DROP TABLE runs; --'", 'rule == "\' OR 1=1 --"', r"rule == 'a%'"):
        assert filled.query(text).empty
    with pytest.raises(QueryError, match="no"):
        filled.query('parameters["G\') OR 1=1 --"] > 0')
    assert len(filled.runs()) == 3


def test_columns_are_of_the_runs_chosen(filled: Store) -> None:
    assert "fc_corr" in filled.query(runs=1).columns
    assert "loss'" not in filled.query(runs=1).columns


@pytest.mark.parametrize(
    "condition",
    [
        "G > 1 and G < 4",
        "1 < G and 4 >= G and position < 9",
        "G >= 1 and G > 2 and G <= 4 and G < 3 and n < 7",
        "G > 3 and G < 2",
        "w[1] > 0.5 and w[1] < 1.5 and not (G > 1 and G < 4)",
        "n >= 3 and n <= 3",
    ],
)
def test_a_lower_and_an_upper_bound_find_what_each_alone_would(filled: Store, condition: str) -> None:
    """Two bounds of a parameter take another way through the database."""
    frame = filled.query(runs="first,second")
    python = condition.replace("w[1]", "row['w[1]']")
    for name in ("G", "position", "n"):
        python = re.sub(rf"\b{name}\b", f"row['{name}']", python)
    expected = [
        (row["run"], row["generation"], row["position"]) for _, row in frame.iterrows() if eval(python, {"row": row})
    ]
    found = filled.query(condition, runs="first,second")[["run", "generation", "position"]]
    assert list(found.itertuples(index=False, name=None)) == expected
    assert expected or condition == "G > 3 and G < 2"


def test_bounds_meet_values_that_are_no_numbers(store: Store, spec) -> None:
    """The same name may be a number in one run and a text in another."""
    for kind, values in (
        ({"kind": "real", "low": 0.0, "high": 1.0}, [0.25, 0.75]),
        ({"kind": "categorical", "choices": ["0.25", "a", True]}, ["0.25", "a", True]),
    ):
        writer = store.create_run(spec(space={"G": kind}))
        individuals = [Individual({"G": value}, 0, place) for place, value in enumerate(values)]
        writer.record_generation(0, individuals)
        writer.finish("finished", "")
    assert store.query("G > 0.1 and G < 2")[["run", "position"]].values.tolist() == [[1, 0], [1, 1]]

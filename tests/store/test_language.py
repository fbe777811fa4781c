"""Conditions are read as they are meant, and nothing else is read at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2l.errors import QueryError
from l2l.store.language import All, Comparison, Field, Membership, Missing, Not, OneOf, fields, parse, parse_field


def test_comparisons_joined() -> None:
    assert parse("fc_corr > 0.5 and G < 2") == All(
        (Comparison(Field("fc_corr"), ">", 0.5), Comparison(Field("G"), "<", 2))
    )


def test_and_binds_before_or_and_not_before_both() -> None:
    a, b, c = (Comparison(Field(name), "==", 1) for name in "abc")
    assert parse("a == 1 or b == 1 and not c == 1") == OneOf((a, All((b, Not(c)))))
    assert parse("(a == 1 or b == 1) and c == 1") == All((OneOf((a, b)), c))


def test_chains_mean_both() -> None:
    assert parse("-1 < G <= 2.5") == All((Comparison(-1, "<", Field("G")), Comparison(Field("G"), "<=", 2.5)))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("G", Field("G")),
        ("w_p.myelin", Field("w_p.myelin")),
        ("parameters.w_p.myelin", Field("w_p.myelin", "parameters")),
        ("fitness.G", Field("G", "fitness")),
        ('measurements["mean rate"]', Field("mean rate", "measurements")),
        ("w_p[3]", Field("w_p", None, (3,))),
        ("parameters.J[0, 2]", Field("J", "parameters", (0, 2))),
        ('parameters["a b"][1]', Field("a b", "parameters", (1,))),
        ("parameters", Field("parameters")),
    ],
)
def test_names(text: str, field: Field) -> None:
    assert parse_field(text) == field
    assert parse(f"{text} == 1") == Comparison(field, "==", 1)


def test_membership_and_missing() -> None:
    member = Membership(Field("status"), ("failed", "lost"))
    assert parse('status in ("failed", "lost")') == member
    assert parse('status not in ["failed", "lost"]') == Not(member)
    assert parse("fc_corr is None") == Missing(Field("fc_corr"))
    assert parse("fc_corr is not None") == Not(Missing(Field("fc_corr")))


def test_fields_in_order() -> None:
    condition = parse('a < 1 and (b in (1,) or not c is None) and d != "x" and 2 < e < f')
    assert [field.name for field in fields(condition)] == ["a", "b", "c", "d", "e", "e", "f"]


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("", "must be text"),
        ("G", "a condition compares"),
        ("G = 2", "equality is written =="),
        ("G <", "cannot be read"),
        ("1 < 2", "must name"),
        ("(G < 1) & (H < 2)", "`and`"),
        ("G + 1 < 2", "nothing is computed"),
        ("sin(G) < 2", "nothing is computed"),
        ("__import__('os').system('true') == 0", "nothing is computed"),
        ("(lambda: 1) == 1", "nothing is computed"),
        ("[x for x in y] == 1", "nothing is computed"),
        ("G == f'{1}'", "nothing is computed"),
        ("G == b'x'", "must be a number"),
        ("G == None", "must be a number"),
        ("G == 1j", "must be a number"),
        ("G < 1e999", "finite"),
        ("G < 9223372036854775808", "2\\*\\*63"),
        ("G in 3", "`in` is followed"),
        ("G in ()", "`in` is followed"),
        ("G is 3", "`is` asks only"),
        ("G[-1] < 2", "whole numbers"),
        ("G[1:2] < 2", "whole numbers"),
        ("G[True] < 2", "whole numbers"),
        ("not " * 60 + "G < 1", "50 deep"),
        ("(" * 300 + "G < 1" + ")" * 300, "cannot be read"),
        ("x" * 10_001, "at most 10000"),
        ("G < 1; drop table runs", "cannot be read"),
        ("G < 1 \x00", "cannot be read"),
    ],
)
def test_everything_else_is_refused(text: str, law: str) -> None:
    with pytest.raises(QueryError, match=law):
        parse(text)


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_its_own_error(text: str) -> None:
    with contextlib.suppress(QueryError):
        list(fields(parse(text)))

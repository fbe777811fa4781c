from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from l2l.errors import SpaceError
from l2l.space import Categorical, Integer, Real, Space

settings.register_profile("patient", deadline=None)  # a shared machine is slow at times
settings.load_profile("patient")

EPS = np.finfo(float).eps

finite = st.floats(-1e300, 1e300)
positive = st.floats(1e-300, 1e300)
units = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 5e-324, 1e-308, EPS, 1 - EPS / 2, 0.5])


@st.composite
def reals(draw):
    is_log = draw(st.booleans())
    low, high = sorted([draw(positive if is_log else finite), draw(positive if is_log else finite)])
    if draw(st.booleans()):  # hardly different
        high = low
        for _ in range(draw(st.integers(1, 5))):
            high = math.nextafter(high, math.inf)
    assume(low < high)
    return Real(low, high, log=is_log)


@st.composite
def integers(draw):
    low = draw(st.integers(-(2**53), 2**53 - 1))
    return Integer(low, min(2**53, low + draw(st.integers(1, 9) | st.integers(1, 2**50 - 1))))


plain = st.text(max_size=5) | st.integers(-(2**70), 2**70) | st.booleans() | st.floats(allow_nan=False)
categoricals = st.lists(
    plain.filter(lambda choice: not (isinstance(choice, float) and math.isinf(choice))),
    min_size=2,
    max_size=8,
    unique_by=lambda choice: (type(choice), choice),
).map(Categorical)


def inside(draw, real):
    """A value of a Real: anywhere, at an end, or next to one."""
    ends = [real.low, real.high, math.nextafter(real.low, math.inf), math.nextafter(real.high, -math.inf)]
    return draw(st.floats(real.low, real.high) | st.sampled_from(ends))


def tolerance(real, value):
    """How far decode(encode(value)) may be, by counting roundings; a rounding errs by EPS / 2, a logarithm by EPS.

    linear: v - low, the division by the range and the multiplication with it: 3 roundings of at most the range; adding
    low: one of at most the larger end.
    log: log v, its difference to log low, division, multiplication, addition, each of at most 2 M for M the larger
    logarithm: 5 M EPS, which is relative after exp, and EPS of exp itself; where high <= 2 low, log1p and expm1 of at
    most 1, and a product and a sum: 6 EPS. All once more for terms of second order.
    """
    if real.log:
        larger = max(abs(math.log(real.low)), abs(math.log(real.high)))
        return (5 * larger + 7) * EPS * value
    return 2 * EPS * (real.high - real.low) + EPS * max(abs(real.low), abs(real.high))


# Encoding and decoding


@given(st.data(), reals())
def test_a_real_returns_within_rounding(data, real):
    value = inside(data.draw, real)
    unit = real.encode(value)
    assert 0 <= unit <= 1
    assert abs(float(real.decode(unit)) - value) <= tolerance(real, value)


@given(reals())
def test_ends_are_exact(real):
    assert real.encode([real.low, real.high]).tolist() == [0.0, 1.0]
    assert real.decode(np.array([0.0, 1.0])).tolist() == [real.low, real.high]


@given(reals(), units)
def test_bounds_are_never_left(real, unit):
    assert real.low <= float(real.decode(np.array(unit))) <= real.high


@given(reals(), st.lists(units, min_size=2, max_size=20))
def test_decoding_keeps_the_order(real, several):
    values = real.decode(np.sort(several))
    # exp and expm1 are monotone up to their last bit.
    assert np.all(np.diff(values) >= -2 * EPS * np.abs(values[1:]))


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), units)
def test_equal_steps_of_a_log_scale_are_equal_factors(one, other, unit):
    low, high = sorted([one, other])
    assume(high > 4 * low)
    real = Real(low, high, log=True)
    expected = math.log(low) + unit * (math.log(high) - math.log(low))
    assert math.log(float(real.decode(np.array(unit)))) == pytest.approx(expected, abs=1e-12)


@given(integers(), st.data())
def test_an_integer_returns_exactly(integer, data):
    value = data.draw(st.integers(integer.low, integer.high))
    unit = integer.encode(value)
    assert 0 < unit < 1
    assert int(integer.decode(unit)) == value


@given(integers(), units)
def test_integers_are_never_left(integer, unit):
    assert integer.low <= int(integer.decode(np.array(unit))) <= integer.high


def test_integers_own_equal_parts():
    counts = np.bincount(Integer(0, 6).decode((np.arange(7000) + 0.5) / 7000))
    assert counts.tolist() == [1000] * 7


@given(categoricals, st.data())
def test_a_choice_returns_exactly_with_its_type(categorical, data):
    choice = data.draw(st.sampled_from(categorical.choices))
    space = Space({"c": categorical})
    (found,) = space.decode(space.encode({"c": choice})).values()
    assert found == choice
    assert type(found) is type(choice)


@given(categoricals, units)
def test_choices_are_never_left(categorical, unit):
    assert categorical.decode(np.array([unit]))[0] in categorical.choices


def test_numpy_s_scalars_are_their_values():
    space = Space({"c": Categorical(["a", np.float64(2.0)]), "n": Integer(np.int64(0), 3), "x": Real(np.float32(0), 1)})
    values = space.check({"c": np.str_("a"), "n": np.int32(2), "x": np.float32(0.5)})
    assert values == {"c": "a", "n": 2, "x": 0.5}
    assert [type(value) for value in values.values()] == [str, int, float]
    assert json.loads(json.dumps(space.as_json()))["c"]["choices"] == ["a", 2.0]


# Spaces

SPACE = Space(
    {
        "G": Real(0, 5),
        "tau": Real(1, 100, log=True, unit="ms"),
        "w": Real(-1, 1, shape=(2, 3)),
        "n": Integer(1, 8, unit="cells"),
        "rule": Categorical(["a", True, 1, 2.5]),
    }
)


@given(st.lists(st.lists(units, min_size=10, max_size=10), max_size=4))
def test_a_space_encodes_and_decodes_many_at_once_as_one_by_one(rows):
    vectors = np.array(rows).reshape(len(rows), 10)
    points = SPACE.decode_many(vectors)
    for point, vector in zip(points, vectors, strict=True):
        single = SPACE.decode(vector)
        assert repr(point) == repr(single)
        assert SPACE.check(point)["w"].shape == (2, 3)
    again = SPACE.encode_many(points)
    assert again.shape == (len(rows), 10)
    assert np.all((again >= 0) & (again <= 1))
    for point, other in zip(points, SPACE.decode_many(again), strict=True):
        assert (other["n"], other["rule"], type(other["rule"])) == (point["n"], point["rule"], type(point["rule"]))
        assert other["w"] == pytest.approx(point["w"], abs=4 * EPS)


def test_vectors_hold_parameters_one_after_the_other():
    assert SPACE.dimension == 10
    assert SPACE.labels == ["G", "tau", "w[0,0]", "w[0,1]", "w[0,2]", "w[1,0]", "w[1,1]", "w[1,2]", "n", "rule"]
    vector = SPACE.encode({"rule": 1, "G": 5, "tau": 10, "n": 8, "w": [[-1, 0, 1], [0.5, 0, 0]]})
    assert vector == pytest.approx([1, 0.5, 0, 0.5, 1, 0.75, 0.5, 0.5, 7.5 / 8, 2.5 / 4])
    assert SPACE.decode(vector)["w"] == pytest.approx(np.array([[-1, 0, 1], [0.5, 0, 0]]))


@given(st.lists(reals() | integers() | categoricals, min_size=1, max_size=5))
def test_a_space_survives_json(parameters):
    space = Space({f"p{index}": parameter for index, parameter in enumerate(parameters)})
    again = Space.from_json(json.loads(json.dumps(space.as_json())))
    assert again == space
    assert hash(again) == hash(space)
    assert list(again) == list(space)


def test_shapes_and_units_survive_json():
    assert Space.from_json(json.loads(json.dumps(SPACE.as_json()))) == SPACE


def test_the_order_of_parameters_matters():
    assert Space({"a": Real(0, 1), "b": Real(0, 2)}) != Space({"b": Real(0, 2), "a": Real(0, 1)})


def test_a_shape_may_be_a_number():
    assert Real(0, 1, shape=68).shape == (68,)
    assert Real(0, 1, shape=np.int64(3)).shape == (3,)
    assert Real(0, 1, shape=[2, 3]).shape == (2, 3)


# Errors: the law, the value, the remedy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Real(2, 1), r"low < high must hold, but got \(low=2, high=1\)"),
        (lambda: Real(1, 1), r"low < high must hold, but got \(low=1, high=1\)"),
        (lambda: Real(float("nan"), 1), "low must be a finite number, but got nan"),
        (lambda: Real(0, float("inf")), "high must be a finite number, but got inf"),
        (lambda: Real(0, 10**400), "high must be a finite number, but got 1000"),
        (lambda: Real("0", 1), "low must be a finite number, but got '0'"),
        (lambda: Real(False, 1), "low must be a finite number, but got False"),
        (lambda: Real(0, 1j), "high must be a finite number"),
        (lambda: Real(0, np.complex128(1)), "high must be a finite number"),
        (lambda: Real(0, 1, log=True), r"a log scale needs low > 0, but got \(low=0, high=1\)"),
        (lambda: Real(-1, 1, log=True), "a log scale needs low > 0"),
        (lambda: Real(-1.7e308, 1.7e308), "high - low must be finite"),
        (lambda: Real(0, 1, shape=(2, 0)), r"a shape must hold integers >= 1, but got \(2, 0\)"),
        (lambda: Real(0, 1, shape=2.5), "a shape must hold integers >= 1, but got 2.5"),
        (lambda: Real(0, 1, shape="ab"), "a shape must hold integers"),
        (lambda: Real(0, 1, shape=True), "a shape must hold integers"),
        (lambda: Integer(3, 3), r"low < high must hold, but got \(low=3, high=3\)"),
        (lambda: Integer(0.0, 3), "low must be an integer, but got 0.0"),
        (lambda: Integer(0, True), "high must be an integer, but got True"),
        (lambda: Integer(0, 2**50), r"up to 2\*\*50 values .* a Real can hold more"),
        (lambda: Integer(2**53, 2**53 + 1), r"between -2\*\*53 and 2\*\*53"),
        (lambda: Categorical("abc"), "a list of two or more choices, but got 'abc'"),
        (lambda: Categorical(b"abc"), "a list of two or more choices"),
        (lambda: Categorical(["a"]), r"a list of two or more choices, but got \['a'\]"),
        (lambda: Categorical({"a", "b"}), "a list of two or more choices"),
        (lambda: Categorical(["a", None]), "choices must be strings, numbers or booleans, but got None"),
        (lambda: Categorical([1.0, float("nan")]), "choices must be finite, but got nan"),
        (lambda: Categorical([1.0, float("inf")]), "choices must be finite, but got inf"),
        (lambda: Categorical(["a", "a"]), r"choices must differ, but got \['a', 'a'\]"),
        (lambda: Space({}), "at least one parameter, but got {}"),
        (lambda: Space([Real(0, 1)]), "a mapping with at least one parameter"),
        (lambda: Space({"a b": Real(0, 1)}), "a parameter's name must be an identifier, but got 'a b'"),
        (lambda: Space({1: Real(0, 1)}), "a parameter's name must be an identifier, but got 1"),
        (lambda: Space({"x": (0, 1)}), r"parameter 'x' must be Real, Integer or Categorical, but is \(0, 1\)"),
        (lambda: SPACE["Tau"], "unknown parameter 'Tau': did you mean 'tau'"),
        (lambda: Space.from_json({"x": {"kind": "reel"}}), "unknown kind 'reel': did you mean 'real'"),
        (lambda: Space.from_json({"x": {"kind": "real", "low": 0}}), "does not describe a 'real' parameter: .*'high'"),
        (lambda: Space.from_json({"x": {"kind": "integer", "low": 0, "high": 1, "lag": 2}}), "'lag'"),
        (lambda: Space.from_json({"x": 3}), "parameter 'x' must be described by a mapping, but got 3"),
    ],
)
def test_a_bad_space_is_refused(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


GOOD = {"G": 1.0, "tau": 2.0, "w": np.zeros((2, 3)), "n": 3, "rule": "a"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tua": 1.0}, "unknown parameter 'tua': did you mean 'tau'"),
        ({"G": 5.1}, r"parameter 'G' must lie in \[0.0, 5.0\], but got 5.1"),
        ({"G": float("nan")}, r"parameter 'G' must lie in \[0.0, 5.0\], but got nan"),
        ({"G": "1"}, "parameter 'G' must be a number, but got '1'"),
        ({"G": True}, "parameter 'G' must be a number, but got True"),
        ({"G": 1j}, "parameter 'G' must be a number"),
        ({"G": 10**400}, "parameter 'G' must be a number"),
        ({"G": [1.0]}, r"parameter 'G' must have shape \(\), but has \(1,\)"),
        ({"w": np.zeros((3, 2))}, r"parameter 'w' must have shape \(2, 3\), but has \(3, 2\)"),
        ({"w": [[0, 0], [0]]}, "parameter 'w' must be a number"),
        ({"w": np.full((2, 3), 2.0)}, r"parameter 'w' must lie in \[-1.0, 1.0\]"),
        ({"n": 3.0}, "parameter 'n' must be an integer, but got 3.0"),
        ({"n": True}, "parameter 'n' must be an integer, but got True"),
        ({"n": 9}, r"parameter 'n' must lie in \[1, 8\], but got 9"),
        ({"rule": "A"}, "parameter 'rule': 'A' is no choice: did you mean 'a'"),
        ({"rule": 1.0}, "parameter 'rule': 1.0 is no choice"),
    ],
)
def test_a_bad_point_is_refused(change, message):
    with pytest.raises(SpaceError, match=message):
        SPACE.encode({**GOOD, **change})


def test_a_point_must_be_whole():
    with pytest.raises(SpaceError, match="every parameter needs a value, but 'tau', 'n' has none"):
        SPACE.check({"G": 1.0, "w": np.zeros((2, 3)), "rule": "a"})
    with pytest.raises(SpaceError, match="a point must map parameter names to values, but is list"):
        SPACE.check([1.0, 2.0])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((1, 9)), r"vectors must have shape \(points, 10\), but have \(1, 9\)"),
        (np.zeros(10), r"vectors must have shape \(points, 10\), but have \(10,\)"),
        (np.full((1, 10), 1.1), r"must lie in \[0, 1\]"),
        (np.full((1, 10), np.nan), r"must lie in \[0, 1\]"),
        (np.full((1, 10), -1e-300), r"must lie in \[0, 1\]"),
    ],
)
def test_a_bad_vector_is_refused(vectors, message):
    with pytest.raises(SpaceError, match=message):
        SPACE.decode_many(vectors)

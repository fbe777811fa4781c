import json
import math
import struct
from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2l.store.plain import clean, dumps, loads

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["NaN", "~Infinity", "~~NaN"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(st.floats(allow_nan=False))
def test_floats_keep_every_bit(value):
    assert bits(loads(dumps({"x": value}))["x"]) == bits(value)


@given(st.floats(allow_nan=False, width=32))
def test_numpy_scalars_keep_every_bit(value):
    assert bits(loads(dumps(np.float32(value)))) == bits(float(np.float32(value)))


@given(anything)
def test_what_goes_in_comes_out_and_is_strict_json(value):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = dumps(value)
    text.encode()
    assert "\x00" not in json.dumps(json.loads(text, parse_constant=refuse), ensure_ascii=False).replace("\\u0000", "")
    if "\\" not in text and "\x00" not in repr(value):  # texts with NUL or surrogates come back escaped
        assert equal(loads(text), value)


def equal(left, right):
    if isinstance(right, float) and isinstance(left, float):
        return bits(left) == bits(right) or (math.isnan(left) and math.isnan(right))
    if isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(right, dict):
        return list(left) == list(right) and all(equal(left[key], right[key]) for key in right)
    return type(left) is type(right) and left == right


def test_numpy_becomes_plain():
    class Colour(Enum):
        RED = "red"

    given_values = {
        "a": np.arange(3),
        "b": np.bool_(True),
        "c": np.int64(4),
        "d": (1, 2),
        "e": {3},
        "f": Colour.RED,
        5: np.array([[np.nan, 1.0]]),
    }
    read = loads(dumps(given_values))
    assert read["a"] == [0, 1, 2]
    assert (read["b"], read["c"], read["d"], read["e"], read["f"]) == (True, 4, [1, 2], [3], "red")
    assert math.isnan(read["5"][0][0])


def test_what_has_no_json_form_is_never_a_reason_to_fail():
    class Mute:
        def __repr__(self):
            raise RuntimeError

    loop: list = []
    loop.append(loop)
    read = loads(dumps({"object": object(), "mute": Mute(), "complex": 1 + 2j, "bytes": b"\x00", "loop": loop}))
    assert read["complex"] == "(1+2j)"
    assert "Mute" in read["mute"]


@pytest.mark.parametrize("text", ["plain", "ünï", "\x00", "\ud800", "a\x00\udfffz"])
def test_clean_text_can_be_stored(text):
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    assert (cleaned == text) == (text in ("plain", "ünï"))

"""JSON as the store writes it: what Python and NumPy hold, without loss where JSON allows it.

- Floats are written with the digits that read back to the same bits, -0.0 included.
- JSON has no NaN and PostgreSQL refuses it: "NaN", "Infinity" and "-Infinity" stand for them as strings, and are read
  back as floats. A text that happens to spell one of these is written with a "~" in front, which is taken off again.
- NumPy scalars and arrays become numbers and lists, tuples and sets become lists, times ISO text.
- What has no JSON form is written as its `repr`: a measurement is never a reason to lose an evaluation.
- NUL characters and lone surrogates, which databases refuse in text, become escapes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any

import numpy as np

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_DEEPEST = 64
_LONGEST_REPR = 1000


def dumps(value: Any) -> str:
    """The JSON text of `value`."""
    try:
        text = _encode(value)
    except (ValueError, TypeError, RecursionError):  # NaN, keys that are no text, cycles
        return _encode(_plain(value, 0))
    if _needs_care(text) or "\\u0000" in text or not _is_encodable(text):
        return _encode(_plain(value, 0))
    return text


def loads(text: str | bytes) -> Any:
    """The inverse of `dumps`."""
    if isinstance(text, bytes):
        text = text.decode()
    value = json.loads(text)
    return _revive(value) if _needs_care(text) else value


def clean(text: str) -> str:
    """`text` without what a database refuses in text."""
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    return text if _is_encodable(text) else text.encode("utf-8", "backslashreplace").decode()


def _needs_care(text: str) -> bool:
    return 'NaN"' in text or 'Infinity"' in text


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return _plain(value, 0)


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=_as_json).encode


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if isinstance(value, str):
        return _escape(clean(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if depth >= _DEEPEST:
        return _represent(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return [_plain(item, depth + 1) for item in sorted(value, key=repr)]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), depth + 1)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _represent(value)


def _represent(value: Any) -> str:
    try:
        return _escape(clean(repr(value)[:_LONGEST_REPR]))
    except Exception as error:
        return f"<{type(value).__name__} without a repr: {type(error).__name__}>"


def _escape(text: str) -> str:
    return "~" + text if text.lstrip("~") in NON_FINITE else text


def _revive(value: Any) -> Any:
    if isinstance(value, str):
        if value in NON_FINITE:
            return NON_FINITE[value]
        return value[1:] if value[:1] == "~" and value.lstrip("~") in NON_FINITE else value
    if isinstance(value, list):
        return [_revive(item) for item in value]
    if isinstance(value, dict):
        return {key: _revive(item) for key, item in value.items()}
    return value

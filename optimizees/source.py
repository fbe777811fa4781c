"""A fingerprint of a function: of its text, or its bytecode, and of the values that are bound to it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import textwrap
import types
from collections.abc import Callable
from typing import Any

import numpy as np

_DEEPEST = 8


def settings_of(value: Any) -> Any:
    """A dataclass of settings as JSON: its kind and its fields; arrays as lists."""
    if not dataclasses.is_dataclass(value):
        return value if value is None or isinstance(value, str) else np.asarray(value).tolist()
    own = {each.name: settings_of(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return {"kind": type(value).__name__, **own}


def fingerprint_of(function: Callable[..., Any]) -> str:
    """16 hexadecimal digits that change with the function's source, defaults, or the values it closes over.

    Globals and imported modules are not looked at. Without its source the bytecode is taken, which differs between
    versions of Python.
    """
    digest = hashlib.sha256()
    for part in _parts(function, _DEEPEST):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _parts(value: Any, depth: int) -> list[str]:
    if depth == 0:
        return [type(value).__name__]
    if isinstance(value, types.MethodType):
        bound_to = getattr(value.__self__, "__dict__", {})
        return [*_parts(value.__func__, depth), *_parts(dict(bound_to), depth - 1)]
    if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        return ["partial", *_parts(value.func, depth - 1), *_parts([*value.args, value.keywords], depth - 1)]
    if isinstance(value, types.FunctionType):
        bound = [value.__defaults__, value.__kwdefaults__, _closure(value)]
        return ["function", _text(value), *_parts(bound, depth - 1)]
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [str(value.dtype), str(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        return [repr(value)]
    if isinstance(value, dict):
        return ["dict", *(part for key, item in value.items() for part in (repr(key), *_parts(item, depth - 1)))]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *(part for item in value for part in _parts(item, depth - 1))]
    if callable(value) and hasattr(value, "__dict__") and not isinstance(value, type):  # an instance with __call__
        return [type(value).__qualname__, *_parts(type(value).__call__, depth - 1), *_parts(vars(value), depth - 1)]
    return [getattr(value, "__qualname__", type(value).__qualname__)]


def _closure(function: types.FunctionType) -> list[Any]:
    values = []
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not yet filled
            values.append(None)
    return values


def _text(function: types.FunctionType) -> str:
    try:
        if function.__name__ == "<lambda>":
            return _lambda(function.__code__)
        return textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):  # typed into an interpreter, or without its file
        return _bytecode(function.__code__)


def _lambda(code: types.CodeType) -> str:
    """The text of its body alone: `inspect.getsource` gives whole lines, which may hold several."""
    lines, _ = inspect.findsource(code)
    places = [
        (line, column, last_line, last_column)
        for line, last_line, column, last_column in code.co_positions()
        if line and last_line and column is not None and last_column and (line, column) != (last_line, last_column)
    ]
    if not places:
        return _bytecode(code)
    first, start = min(place[:2] for place in places)
    last, end = max(place[2:] for place in places)
    body = [line.encode() for line in lines[first - 1 : last]]  # columns count bytes
    body[-1] = body[-1][:end]
    body[0] = body[0][start:]
    return " ".join([*code.co_varnames, ":", *b"".join(body).decode().split()])


def _bytecode(code: types.CodeType) -> str:
    constants = [_bytecode(each) if isinstance(each, types.CodeType) else repr(each) for each in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames))

"""Tables as files: CSV, Parquet, JSON lines. Floats keep their bits in all three."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2l.errors import StoreError
from l2l.store import plain

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".parquet", ".jsonl")


def write_frame(frame: pd.DataFrame, to: str | os.PathLike[str]) -> None:
    """Writes a .csv, .parquet or .jsonl file; one that is there is replaced.

    Raises StoreError for another ending, if pyarrow is not installed, or if the file cannot be written.
    """
    path = Path(to)
    if path.suffix not in ENDINGS:
        raise StoreError(f"tables are written as {', '.join(ENDINGS)}, but got {path.name!r}")
    try:
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        elif path.suffix == ".parquet":
            _write_parquet(frame, path)
        else:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(plain.dumps(row) + "\n" for row in rows_of(frame))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error


def rows_of(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows as JSON values: what is missing is null, times are ISO text."""
    names = [str(name) for name in frame.columns]
    columns = [[_as_json(value) for value in frame.iloc[:, place].tolist()] for place in range(len(names))]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _as_json(value: Any) -> Any:
    import pandas as pd

    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise StoreError("Parquet needs pyarrow, which is not installed: pip install 'l2l[parquet]'") from error
    try:
        frame.to_parquet(path, index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        # A column of mixed types, which measurements may have, is written as JSON text.
        told = frame.copy()
        for name in frame.columns:
            if frame[name].dtype == object and len({type(value) for value in frame[name].dropna()}) > 1:
                told[name] = [None if _as_json(value) is None else plain.dumps(value) for value in frame[name]]
        told.to_parquet(path, index=False)

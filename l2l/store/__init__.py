"""The database of all that happened: runs, generations, individuals, evaluations and recordings.

Importing this package is cheap: SQLAlchemy comes with the first use of `Store` or `RunWriter`, NumPy with any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2l.store.records import Driver, RecordedGeneration, RunRecord, RunSpec
    from l2l.store.store import Store
    from l2l.store.writer import RunWriter

__all__ = ["Driver", "RecordedGeneration", "RunRecord", "RunSpec", "RunWriter", "Store"]


def __getattr__(name: str) -> Any:
    if name == "Store":
        from l2l.store.store import Store

        return Store
    if name == "RunWriter":
        from l2l.store.writer import RunWriter

        return RunWriter
    if name in __all__:
        from l2l.store import records

        return getattr(records, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

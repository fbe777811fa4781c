"""A run to where it is wanted: a table, an archive, or an Optuna study, as the name of the target says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from l2l.errors import StoreError
from l2l.trajectory.files import ENDINGS, write_frame

if TYPE_CHECKING:
    from l2l.trajectory.trajectory import Trajectory

ARCHIVE = ".l2l.zip"
STUDY = ".optuna.db"


def export(trajectory: Trajectory, to: str | os.PathLike[str]) -> str:
    """Writes a run, and says what was written.

    to: FILE.csv, FILE.parquet or FILE.jsonl, a table of its individuals; FILE.l2l.zip, all of the run in one archive,
    which `l2l import` reads; FILE.optuna.db, or optuna: and the URL of a storage, an Optuna study.
    Raises StoreError for anything else, or if it cannot be written.
    """
    name = os.fspath(to)
    if name.startswith("optuna:") or name.endswith(STUDY):
        from l2l.trajectory.optuna_study import write_study

        storage = name.removeprefix("optuna:")
        if "://" not in storage:
            storage = f"sqlite:///{Path(storage).absolute()}"
        study, trials = write_study(trajectory, storage)
        return f"{trials} trials written to the study {study!r} in {name}"
    if name.endswith(ARCHIVE):
        from l2l.store.archive import write

        rows = write(trajectory.store, trajectory.run.id, name)
        return f"{rows['individuals']} individuals and {rows['recordings']} arrays written to {name}"
    if Path(name).suffix not in ENDINGS:
        raise StoreError(
            f"a run is exported to a file that ends in {', '.join(ENDINGS)}, {ARCHIVE} or {STUDY}, or to "
            f"optuna:URL, but got {name!r}"
        )
    frame = trajectory.individuals()
    write_frame(frame, name)
    return f"{len(frame)} individuals written to {name}"

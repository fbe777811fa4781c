"""`l2l subjects`: a cohort, a row a subject."""

from __future__ import annotations

from l2l.cli.options import JsonOption, RunArgument, StoreOption, app, run_key
from l2l.cli.tables import show_frame


@app.command()
def subjects(run: RunArgument = "last", store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show the subjects of a cohort: the best individual of each, or why it failed."""
    from l2l.trajectory import Trajectory

    with Trajectory.open(store, run_key(run)) as trajectory:
        show_frame(trajectory.subjects(), as_json, "this run is of no cohort")

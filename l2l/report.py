"""Tables of a trajectory for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from l2l.trajectory import Trajectory


def print_summary(trajectory: Trajectory, reason: str, elapsed: float, console: Console | None = None) -> None:
    """The end of a run: how it ended, the best individuals beside the baselines, and where to look next."""
    console = console or _console()
    individuals = trajectory.individuals()
    failed = int((individuals["status"] != "ok").sum()) if len(individuals) else 0
    console.print(
        f"run {trajectory.run.id} finished after {elapsed:.0f} s: {reason}; "
        f"{len(individuals)} individuals, {failed} not ok",
        highlight=False,
    )
    print_best(trajectory, 5, console)
    console.print(
        f"more: l2l best {trajectory.run.id} --store {trajectory.store_url}", highlight=False, soft_wrap=True
    )


def print_best(trajectory: Trajectory, n: int, console: Console | None = None) -> None:
    """The best individuals, with the baselines of the optimizee under them."""
    console = console or _console()
    best = trajectory.best(n)
    objective = trajectory.objectives[0]
    if best.empty:
        console.print("no evaluation ended ok; see: l2l show", highlight=False)
        return
    objectives = {each.name for each in trajectory.objectives}
    print_frame(best[[name for name in best.columns if name in objectives or name not in _HIDDEN]], console)
    for name, value in trajectory.run.summary.get("baselines", {}).items():
        console.print(f"baseline {objective.name} {value:.4f}: {name}", highlight=False)


_HIDDEN = ("id", "status", "worker", "host", "device", "started", "seed", "error", "seconds", "loss", "attempt")


def print_frame(frame: pd.DataFrame, console: Console | None = None, title: str | None = None) -> None:
    """A data frame as a table."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in frame.columns:
        table.add_column(str(name), justify="left" if frame[name].dtype == object else "right", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    (console or _console()).print(table)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    # A table in a log is read by people and by tools later: never cut it to a guessed width.
    return console if console.is_terminal else Console(width=200)

"""Tables of a trajectory for people."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from l2l.simulator.model import Model
    from l2l.trajectory import Trajectory


def print_summary(trajectory: Trajectory, reason: str, elapsed: float, console: Console | None = None) -> None:
    """The end of a run: how it ended, the best individuals beside the baselines, and where to look next."""
    console = console or _console()
    individuals = trajectory.individuals()
    failed = int((individuals["status"] != "ok").sum()) if len(individuals) else 0
    count = len(individuals)
    subjects = trajectory.subjects()
    if not count and not subjects.empty:  # of a cohort
        count, failed = int(subjects["evaluations"].sum()), int(subjects["failures"].sum())
    reused = int(individuals["worker"].fillna("").str.startswith("reused from run ").sum()) if len(individuals) else 0
    console.print(
        f"run {trajectory.run.id} finished after {elapsed:.0f} s: {reason}; "
        f"{count} individuals, {failed} not ok" + (f", {reused} reused from other runs" if reused else ""),
        highlight=False,
    )
    print_best(trajectory, 5, console)
    if len(individuals) and not subjects.empty and "role" in subjects:  # of a task family
        print_frame(subjects, console)
    console.print(
        f"more: l2l best {trajectory.run.id} --store {trajectory.store_label}", highlight=False, soft_wrap=True
    )


def print_best(trajectory: Trajectory, n: int, console: Console | None = None) -> None:
    """The best individuals, with the baselines of the optimizee under them."""
    console = console or _console()
    best = trajectory.best(n)
    objective = trajectory.objectives[0]
    if best.empty:
        subjects = trajectory.subjects()
        if not subjects.empty:
            print_frame(subjects[[name for name in subjects.columns if name not in _HIDDEN]], console)
            return
        console.print("no evaluation ended ok; see: l2l show", highlight=False)
        return
    objectives = {each.name for each in trajectory.objectives}
    print_frame(best[[name for name in best.columns if name in objectives or name not in _HIDDEN]], console)
    for name, value in trajectory.run.summary.get("baselines", {}).items():
        console.print(harmless(f"baseline {objective.name} {value:.4f}: {name}"), highlight=False, markup=False)


_HIDDEN = ("status", "worker", "host", "device", "job", "started", "seed", "error", "seconds", "loss", "attempt")


def print_frame(frame: pd.DataFrame, console: Console | None = None, title: str | None = None) -> None:
    """A data frame as a table, or, where the terminal is too narrow, as several that begin with the same columns.

    Headers break after _ and . where they must; numbers are never broken.
    """
    from l2l.table import tables

    console = console or _console()
    if not console.is_terminal:
        # A table in a log is read by people and by tools later: never cut it to a guessed width.
        for table, width in tables(frame, None, title):
            console.width = max(console.width, width)
            console.print(table)
        return
    for table, _ in tables(frame, console.width, title):
        console.print(table)


def print_account(known: Mapping[str, Any]) -> None:
    """Where a run comes from, line by line; the text of its script last."""
    text = ""
    for name, value in known.items():
        if name == "script" and isinstance(value, Mapping):
            text = str(value.get("text", ""))
            value = {key: item for key, item in value.items() if key != "text"}
        if name == "packages":
            value = ", ".join(str(value).split())
        lines = _told(value)
        print(harmless(f"{name}:" + (f" {lines[0]}" if len(lines) == 1 else "")))
        for line in lines if len(lines) > 1 else []:
            print(harmless(f"    {line}"))
    if text:
        print("\n" + harmless(text), end="" if text.endswith("\n") else "\n")


def harmless(text: str) -> str:
    """Without what would steer a terminal: the text may be a stranger's."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1] for letter in text)


def _told(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [
            f"{key}: {item if isinstance(item, str) else json.dumps(item, default=str)}" for key, item in value.items()
        ]
    if isinstance(value, list) and value and not isinstance(value[0], str):
        return [json.dumps(item, default=str) for item in value]
    if isinstance(value, list):
        return [shlex.join(map(str, value)) if value else "-"]
    return ["-" if value is None else str(value)]


def model_as_json(model: Model) -> dict[str, Any]:
    """A model as JSON values; limits that are infinite become null."""

    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "name": model.name,
        "description": model.description,
        "source": model.source,
        "states": [
            {
                "name": state.name,
                "initial": [state.low, state.high],
                "bounds": [finite(state.lower), finite(state.upper)],
                "unit": state.unit,
                "description": state.description,
            }
            for state in model.states
        ],
        "parameters": [
            {
                "name": parameter.name,
                "default": parameter.default,
                "range": [finite(parameter.low), finite(parameter.high)],
                "unit": parameter.unit,
                "description": parameter.description,
            }
            for parameter in model.parameters
        ],
        "inputs": [
            {"symbol": each.symbol, "source": each.source, "coupling": each.coupling or model.coupling}
            for each in model.inputs
        ],
        "derived": dict(model.derived),
        "derivatives": dict(model.derivatives),
        "exposed": dict(model.exposed),
    }


def print_model(model: Model, console: Console | None = None) -> None:
    """The equations of a model, then its state variables and its parameters with units and ranges."""
    import pandas as pd

    console = console or _console()
    console.print(f"{model.name}: {model.description}\nSource: {model.source}\n", highlight=False, markup=False)
    for each in model.inputs:
        console.print(
            f"  {each.symbol} = {each.coupling or model.coupling} coupling of {each.source}",
            highlight=False,
            markup=False,
        )
    for name, expression in model.derived:
        console.print(f"  {name} = {expression}", highlight=False, markup=False)
    for name, expression in model.derivatives.items():
        console.print(f"  d{name}/dt = {expression}", highlight=False, markup=False)
    known = model_as_json(model)
    for what in ("states", "parameters"):
        rows = [
            {key: _interval(value) if isinstance(value, list) else value for key, value in row.items()}
            for row in known[what]
        ]
        print_frame(pd.DataFrame(rows), console, title=what)


def _interval(ends: list[float | None]) -> str:
    low, high = ends
    return f"{'-∞' if low is None else f'{low:g}'} … {'∞' if high is None else f'{high:g}'}"


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=200)

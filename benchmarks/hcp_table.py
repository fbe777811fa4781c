"""Print, as Markdown, what examples/hcp_subjects.py found: FC correlation and FCD KS by subject.

python examples/hcp_subjects.py && python benchmarks/hcp_table.py [DATABASE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from l2l.store import Store
from l2l.trajectory import Trajectory

SCORES = ("fc_corr", "fcd_ks")


def main(database: str | None = None) -> None:
    """A table for the latest cohort of each model."""
    with Store.open(database, read_only=True) as store:
        cohorts = {record.name: record.id for record in store.runs() if record.optimizee.get("optimizee") == "Cohort"}
        for name, run in cohorts.items():
            if name.startswith("hcp "):
                print_cohort(Trajectory.open(store, run))


def print_cohort(cohort: Trajectory) -> None:
    """A row a subject, their mean and standard deviation, and the group."""
    table = cohort.subjects()
    record = cohort.run
    parameters = [name for name in record.space if name in table]
    head = ["subject", *SCORES, *(f"{name}, fresh noise" for name in SCORES), *parameters]
    print(f"### {record.name.removeprefix('hcp ')}\n")
    print_row(head)
    print_row(["---"] * len(head))
    rows: dict[str, list[float]] = {}
    for row in table.to_dict("records"):
        if row["status"] != "finished":
            print_row([row["subject"], f"{row['status']}: {row['stop_reason']}", *[""] * (len(head) - 2)])
            continue
        scores = [row[name] for name in SCORES] + fresh(cohort.subject(row["subject"]))
        rows[row["subject"]] = scores
        print_row([row["subject"], *(f"{value:.3f}" for value in scores), *(f"{row[name]:.4g}" for name in parameters)])
    own = np.array([scores for name, scores in rows.items() if name != "group"])
    if len(own) > 1:
        spread = zip(np.nanmean(own, axis=0), np.nanstd(own, axis=0, ddof=1), strict=True)
        print_row(
            [f"mean ± sd of {len(own)}", *(f"{mean:.3f} ± {sd:.3f}" for mean, sd in spread), *[""] * len(parameters)]
        )
    if record.finished is not None:
        minutes = (record.finished - record.created).total_seconds() / 60
        count = int(table["evaluations"].sum())
        bad = int(table["failures"].sum())
        where = f"{record.runner.get('workers', 1)} workers of runner {record.runner.get('runner')}"
        print(f"\n{count} simulations ({bad} diverged) and their validation in {minutes:.1f} min on {where}.\n")


def fresh(subject: Trajectory) -> list[float]:
    """The scores of the best individual when it was simulated again."""
    best = subject.best(1).iloc[0]
    found = subject.evaluations().query("replicate > 0 and status == 'ok'")
    found = found[(found["generation"] == best["generation"]) & (found["position"] == best["position"])]
    return [float(found[name].mean()) for name in SCORES]


def print_row(cells: Sequence[Any]) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])

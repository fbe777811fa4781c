"""A search as the command line asks for it: begun from a script, or gone on with from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from l2l.errors import ScriptError

if TYPE_CHECKING:
    from l2l.experiment import Experiment
    from l2l.progress import Observer


@dataclass(frozen=True)
class Search:
    """script: None, in a search that goes on, is the one that began it. runner: as `runners.create` takes it."""

    script: str | None = None
    store: str | None = None
    runner: Mapping[str, Any] | None = None
    experiment: str | None = None
    seed: int | None = None
    generations: int | None = None
    reuse: bool = False
    warm_start: int | str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def load(self) -> Experiment:
        """The script's experiment with what the command line changes. Raises the error of what is amiss."""
        from l2l.script import load_experiment

        assert self.script is not None
        loaded = load_experiment(self.script, self.experiment)
        if self.seed is not None:
            loaded.seed = self.seed
        if self.generations is not None:
            loaded.generations = self.generations
        if self.reuse:
            loaded.reuse = True
        if self.warm_start is not None:
            loaded.warm_start = self.warm_start
        return loaded

    def begin(self, observer: Observer) -> None:
        assert self.script is not None
        self.load().start(
            store=self.store, runner=self._runner(), observer=observer, script=Path(self.script).resolve()
        )

    def go_on(self, run: int | str, observer: Observer) -> None:
        """Resume a run, unless it is finished."""
        from l2l.script import load_experiment
        from l2l.store import Store
        from l2l.trajectory.subjects import whole_of

        given = None if self.script is None else load_experiment(self.script, self.experiment)
        store = self.store if self.store is not None or given is None else given.store
        with Store.open(store, read_only=True) as opened:
            record = opened.run(whole_of(opened.run(run)))  # of a subject: the whole cohort
        if record.status == "finished":
            typer.echo(f"run {record.id} is finished ({record.stop_reason}): nothing to resume")
            return
        recorded = record.provenance.get("script", {}).get("path")
        if given is None and recorded is None:
            raise ScriptError(f"run {record.id} was not started from a script: name one with --script PATH")
        loaded = given or load_experiment(recorded, self.experiment)
        loaded.seed = record.seed
        loaded.reuse = record.settings.get("reuse", False)
        loaded.warm_start = record.settings.get("warm_start")
        if loaded.generations is not None and record.settings.get("generations") is not None:
            loaded.generations = max(loaded.generations, record.settings["generations"])
        loaded.resume(record.id, store=store, runner=self._runner(), observer=observer)

    def _runner(self) -> Any:
        from l2l import runners

        return None if self.runner is None else runners.create(self.runner)

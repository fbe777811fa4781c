"""The errors l2l raises: each states the law, the value and, where it is known, the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class L2LError(Exception):
    """Base of every error that l2l raises on purpose."""


class SpaceError(L2LError, ValueError):
    """A search space, or a point of one, breaks its law."""


class ObjectiveError(L2LError, ValueError):
    """An objective is unknown or badly declared."""


class OptimizerError(L2LError, ValueError):
    """An optimizer is badly configured, or was told what it did not ask."""


class OptimizeeError(L2LError, ValueError):
    """An optimizee is badly configured or returned what it may not."""


class RunnerError(L2LError, RuntimeError):
    """The machinery that evaluates individuals failed as a whole."""


class StoreError(L2LError, RuntimeError):
    """The database cannot be opened, read or written."""


class RunNotFoundError(StoreError):
    """No run of that id or name is in the database."""


class QueryError(L2LError, ValueError):
    """A query cannot be read, or names what is not there."""


class ResumeError(L2LError, RuntimeError):
    """A recorded run cannot be continued to the same bits."""


class ExperimentError(L2LError, ValueError):
    """An experiment is badly put together."""


class ScriptError(L2LError, ValueError):
    """A user's script cannot be loaded or defines no experiment."""


class ConnectomeError(L2LError, ValueError):
    """Weights, tract lengths or labels break the laws of a connectome."""


class DatasetError(L2LError, RuntimeError):
    """A data set is unknown, absent, or not what it should be."""


class ModelError(L2LError, ValueError):
    """A model, or an expression in one, is badly defined."""


class SimulationError(L2LError, ValueError):
    """A simulation was asked for with settings that break a law."""


class ObservableError(L2LError, ValueError):
    """An observable cannot be computed from what was given."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests the nearest of `known` to a mistyped `name` and lists the rest."""
    choices = [str(choice) for choice in known]
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    suggestion = f"did you mean {lowered[close[0]]!r}? " if close else ""
    return f"{suggestion}known: {', '.join(choices) if choices else 'none'}"

"""Neural mass models, one file each."""

from __future__ import annotations

from l2l.errors import ModelError, nearest
from l2l.simulator.model import Model
from l2l.simulator.models.montbrio_pazo_roxin import MontbrioPazoRoxin
from l2l.simulator.models.reduced_wong_wang import ReducedWongWang

__all__ = ["MODELS", "MontbrioPazoRoxin", "ReducedWongWang", "get"]

MODELS: dict[str, Model] = {m.name: m for m in (MontbrioPazoRoxin, ReducedWongWang)}


def get(name: str) -> Model:
    """The model of that name; raises ModelError with the nearest one."""
    if name not in MODELS:
        raise ModelError(f"unknown model {name!r}; {nearest(name, MODELS)}")
    return MODELS[name]

"""Neural mass models, one file each."""

from __future__ import annotations

from l2l.errors import ModelError, nearest
from l2l.simulator.model import Model
from l2l.simulator.models.epileptor import Epileptor
from l2l.simulator.models.epileptor_2d import Epileptor2D
from l2l.simulator.models.fitzhugh_nagumo import FitzHughNagumo
from l2l.simulator.models.generic_2d_oscillator import Generic2dOscillator
from l2l.simulator.models.jansen_rit import JansenRit
from l2l.simulator.models.kuramoto import Kuramoto
from l2l.simulator.models.larter_breakspear import LarterBreakspear
from l2l.simulator.models.linear import Linear
from l2l.simulator.models.montbrio_pazo_roxin import MontbrioPazoRoxin
from l2l.simulator.models.reduced_wong_wang import ReducedWongWang
from l2l.simulator.models.reduced_wong_wang_exc_inh import ReducedWongWangExcInh
from l2l.simulator.models.reduced_wong_wang_fic import ReducedWongWangFIC
from l2l.simulator.models.sup_hopf import SupHopf
from l2l.simulator.models.wilson_cowan import WilsonCowan
from l2l.simulator.models.zerlaut_adaptation_first_order import ZerlautAdaptationFirstOrder
from l2l.simulator.models.zerlaut_adaptation_second_order import ZerlautAdaptationSecondOrder

__all__ = [
    "MODELS",
    "Epileptor",
    "Epileptor2D",
    "FitzHughNagumo",
    "Generic2dOscillator",
    "JansenRit",
    "Kuramoto",
    "LarterBreakspear",
    "Linear",
    "MontbrioPazoRoxin",
    "ReducedWongWang",
    "ReducedWongWangExcInh",
    "ReducedWongWangFIC",
    "SupHopf",
    "WilsonCowan",
    "ZerlautAdaptationFirstOrder",
    "ZerlautAdaptationSecondOrder",
    "get",
]

MODELS: dict[str, Model] = {
    m.name: m
    for m in (
        Kuramoto,
        SupHopf,
        Generic2dOscillator,
        FitzHughNagumo,
        ReducedWongWang,
        ReducedWongWangExcInh,
        ReducedWongWangFIC,
        WilsonCowan,
        JansenRit,
        MontbrioPazoRoxin,
        Epileptor,
        Epileptor2D,
        LarterBreakspear,
        Linear,
        ZerlautAdaptationFirstOrder,
        ZerlautAdaptationSecondOrder,
    )
}


def get(name: str) -> Model:
    """The model of that name; raises ModelError with the nearest one."""
    if name not in MODELS:
        raise ModelError(f"unknown model {name!r}; {nearest(name, MODELS)}")
    return MODELS[name]

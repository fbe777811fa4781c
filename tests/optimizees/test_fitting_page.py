"""The code of docs/fitting.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from l2l import BrainNetwork
from l2l.observables.observed import OBSERVABLES
from l2l.observables.terms import TERMS
from l2l.simulator import Connectome

PAGE = (Path(__file__).parents[2] / "docs" / "fitting.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_code_of_the_page_runs(code: str) -> None:
    rng = np.random.default_rng(0)
    weights = rng.lognormal(size=(8, 8))
    names = {
        "sc": Connectome((weights + weights.T) * (1 - np.eye(8))).normalised("spectral"),
        "empirical": rng.normal(size=(8, 600)) + rng.normal(size=600),
        "yeo7": ["Vis", "Som", "Def", "Lim"] * 2,
        "myelin": rng.normal(size=8),
        "fc_gradient": rng.uniform(size=8),
    }
    exec("from l2l import *\n" + code, names)
    network = names["network"]
    assert isinstance(network, BrainNetwork)
    network.fingerprint()


def test_the_page_names_every_term_and_observable() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(TERMS) <= named
    internal = {"tr", "pairs", "volumes"}  # settings rather than results
    assert set(OBSERVABLES) - internal <= named

"""How signals become observables: one set of settings for simulations and for what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2l.errors import ObservableError, nearest
from l2l.observables.pairs import within_hemispheres
from l2l.observables.windows import windows

PAIRS = ("all", "within hemispheres")


@dataclass(frozen=True)
class Analysis:
    """Settings of observables.

    fcd_window, fcd_step: length and distance of the windows of dynamic functional connectivity: seconds, "30 s" or
        "40 TR"; see `windows`. fcd_edges: keep the cut-off windows at both ends.
    band: Hz; simulated BOLD is filtered to it before all else. "target": to the band of the target, if it has one.
    phase_band: Hz; of the phases behind synchrony, metastability and phase locking.
    spectrum_window: s, of Welch's method; cut to the length of the signals.
    spectrum_band: Hz, where spectra are compared.
    pairs: "all" pairs of regions, those "within hemispheres" (the first half of the regions is one, as in cuBNM's
        exc_interhemispheric), or a label for each region, of which pairs with the same label count.
    """

    fcd_window: str | float = 30.0
    fcd_step: str | float = 5.0
    fcd_edges: bool = False
    band: tuple[float, float] | str | None = "target"
    phase_band: tuple[float, float] = (0.04, 0.07)
    spectrum_window: float = 60.0
    spectrum_band: tuple[float, float] = (0.01, 0.2)
    pairs: str | Sequence[Any] = "all"

    def __post_init__(self) -> None:
        if not isinstance(self.pairs, str):
            object.__setattr__(self, "pairs", tuple(np.asarray(self.pairs).tolist()))
        elif self.pairs not in PAIRS:
            raise ObservableError(f"unknown pairs {self.pairs!r}: {nearest(str(self.pairs), PAIRS)}")
        for name in ("band", "phase_band", "spectrum_band"):
            band = getattr(self, name)
            if band is None or (name == "band" and band == "target"):
                continue
            try:
                low, high = (float(edge) for edge in band)
            except (TypeError, ValueError):
                low = high = 0.0
            if isinstance(band, str) or not 0 < low < high:
                raise ObservableError(f"{name} must be (low, high) in Hz with 0 < low < high, but is {band!r}")
            object.__setattr__(self, name, (low, high))
        if not isinstance(self.spectrum_window, int | float) or not self.spectrum_window > 0:
            raise ObservableError(f"spectrum_window > 0 s must hold, but got {self.spectrum_window!r}")

    def count_windows(self, volumes: int, tr: float) -> int:
        """How many windows of FCD a recording has. Raises ObservableError for fewer than 3."""
        count = len(windows(volumes, tr, self.fcd_window, self.fcd_step, not self.fcd_edges))
        if count < 3:
            raise ObservableError(
                f"FCD needs at least 3 windows, but {volumes} volumes of {tr:g} s hold {count} of {self.fcd_window!r} "
                f"every {self.fcd_step!r}: simulate or record longer, or shorten fcd_window or fcd_step"
            )
        return count

    def mask_of_pairs(self, regions: int) -> NDArray[np.bool_] | None:
        """(region, region) pairs that count, or None for all. Raises ObservableError where labels do not fit."""
        if self.pairs == "all":
            return None
        return within_hemispheres(regions, None if isinstance(self.pairs, str) else self.pairs)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, given: Analysis | Mapping[str, Any] | None) -> Analysis:
        """From itself, or from settings by name, with the nearest for an unknown one."""
        if isinstance(given, Analysis):
            return given
        known = cls.__dataclass_fields__
        if given is not None and not isinstance(given, Mapping):
            raise ObservableError(f"analysis must be an Analysis, or its settings by name, but is {given!r:.80}")
        for name in given or {}:
            if name not in known:
                raise ObservableError(f"unknown setting {name!r} of the analysis: {nearest(str(name), known)}")
        return cls(**(given or {}))

"""Sliding windows over the volumes of a recording, as cuBNM places them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from l2l.duration import seconds
from l2l.errors import ObservableError, SimulationError

_IN_TRS = re.compile(r"\s*([0-9]+)\s*TRs?\s*", re.IGNORECASE)


def _in_volumes(time: str | float, tr: float, what: str, even: bool) -> int:
    written = _IN_TRS.fullmatch(time) if isinstance(time, str) else None
    if written:
        count = int(written[1])
        if even and count % 2:
            raise ObservableError(
                f"{what} in TRs must be even, since as much lies before its centre as after it, but got {time!r}"
            )
    else:
        try:
            length = seconds(time, what)
        except SimulationError as error:
            raise ObservableError(f'{error}, nor a number of TRs such as "40 TR"') from None
        # Python and cuBNM round halves to even alike.
        count = 2 * round(length / (2 * tr)) if even else round(length / tr)
    if count < 1:
        raise ObservableError(
            f"{what} must last for at least {2 if even else 1} TR, but got {time!r} with tr = {tr:g} s: make it "
            "longer, or give tr in seconds"
        )
    return count


def windows(
    volumes: int, tr: str | float, window: str | float, step: str | float, drop_edges: bool = True, *, first: int = 0
) -> NDArray[np.int64]:
    """The volumes of each window, (window, 2): from the first of them until before the second, [start, stop).

    volumes: number of volumes of the recording. tr: seconds, or a text such as "720 ms".
    window: seconds, or "30 s", or "40 TR"; rounded to an even number of TRs, `size`. step: likewise, rounded to whole
    TRs. A window is its centre and size/2 volumes on each side: size + 1 volumes. The centres are `step` apart.
    drop_edges: only whole windows; False: the first window is centred on the first volume, and those at the ends are
    cut off there.
    first: the first volume that counts, where the volumes before it were recorded, but are left out. Without edges no
    window reaches before it. With edges the first window is centred on it and takes what was recorded before.
    Raises ObservableError for windows or steps of no volume, and for a window longer than the recording.
    Source: cuBNM 0.1.0, whose windows these are (also of edges, and of what comes before `first`).
    """
    period = _tr(tr)
    size = _in_volumes(window, period, "window", even=True)
    every = _in_volumes(step, period, "step", even=False)
    if not 0 <= first < volumes:
        raise ObservableError(f"0 <= first < volumes must hold, but got first = {first}, volumes = {volumes}")
    if size + 1 > volumes - first:
        raise ObservableError(
            f"a window of {size} TR spans {size + 1} volumes, but only {volumes - first} are there: shorten it, or "
            "record longer"
        )
    half = size // 2
    centres = np.arange(first + half, volumes - half, every) if drop_edges else np.arange(first, volumes, every)
    return np.stack([np.maximum(centres - half, 0), np.minimum(centres + half + 1, volumes)], axis=1).astype(np.int64)


def _tr(tr: str | float) -> float:
    try:
        return seconds(tr, "tr")
    except SimulationError as error:
        raise ObservableError(str(error)) from None

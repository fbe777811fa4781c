"""What the options of `l2l simulate` say, read: sweeps, noise, monitors, stimuli, couplings.

Their common form is HEAD,key=value,key=value: commas separate, but not inside brackets, and what has no key of its own
continues the list of the key before it, as in `bold:2s,variables=r,V`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2l.cli.data import load_matrix
from l2l.duration import seconds
from l2l.errors import L2LError, SimulationError, nearest

if TYPE_CHECKING:
    from l2l.simulator import Connectome
    from l2l.simulator.coupling import Given
    from l2l.simulator.monitors import Monitor
    from l2l.simulator.noise import Additive
    from l2l.simulator.stimulus import Stimulus

MOST_SIMULATIONS = 1 << 20
_KEY = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)(.*)", re.DOTALL)
_SIDE = re.compile(r"(?:ctx[-_.])?(?:(l|lh|left)|(?:r|rh|right))(?:[-_. ]|(?=[A-Z0-9]))")


def sweep(texts: Sequence[str]) -> dict[str, Any]:
    """Parameters by name: a number, or (simulation, 1) with every combination of what is swept, the last fastest."""
    import numpy as np

    lists: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        law = "--set takes NAME=VALUE, NAME=a,b,c or NAME=low:high:n with n >= 2"
        try:
            if not (equals and name and value):
                raise ValueError
            if ":" in value:
                low, high, n = value.split(":")
                if not 2 <= int(n) <= MOST_SIMULATIONS:
                    raise ValueError
                lists[name], repeated = np.linspace(float(low), float(high), int(n)), name in lists
            else:
                lists[name], repeated = np.array([float(each) for each in value.split(",")]), name in lists
        except ValueError:
            raise SimulationError(f"{law}, but got {text!r}") from None
        if repeated:
            raise SimulationError(f"--set takes each parameter once, but got {name!r} twice; sweep it with a,b,c")
    total = math.prod(len(each) for each in lists.values())
    if total > MOST_SIMULATIONS:
        raise SimulationError(f"the sweep must have at most {MOST_SIMULATIONS:,} simulations, but has {total:,}")
    grids = np.meshgrid(*lists.values(), indexing="ij") if lists else []
    return {
        name: float(each[0]) if len(each) == 1 else grid.reshape(-1, 1)
        for (name, each), grid in zip(lists.items(), grids, strict=True)
    }


def noise(texts: Sequence[str]) -> Additive | None:
    """[STATE=]SIGMA[,tau=TIME][,factor=EXPRESSION]: white noise, coloured with tau, multiplied by a factor, or both."""
    from l2l.simulator.noise import Additive, Coloured, Multiplicative

    law = "--noise takes [STATE=]SIGMA[,tau=TIME][,factor=EXPRESSION]"
    sigmas: dict[str, float] = {}
    taus: dict[str, float] = {}
    factors: dict[str, str] = {}
    for text in texts:
        head, own = _parts(text, ("tau", "factor"), "--noise")
        state, equals, value = head.rpartition("=")
        state = state.strip() if equals else ""
        if state in sigmas:
            raise SimulationError(f"--noise takes each state once, but got {text!r} after another of it")
        try:
            sigmas[state] = float(value)
        except ValueError:
            raise SimulationError(f"{law}, but got {text!r}") from None
        if "tau" in own:
            taus[state] = _milliseconds(_one(own, "tau"), "tau of the noise")
        if "factor" in own:
            factors[state] = ",".join(own["factor"])
    if not sigmas:
        return None
    if "" in sigmas and len(sigmas) > 1:
        raise SimulationError("--noise takes one sigma for all states, or one a state by name, but got both")
    if "" in factors:
        raise SimulationError(f"a factor belongs to a state: STATE={sigmas['']:g},factor={factors['']}")
    sigma: Any = sigmas.get("", sigmas)
    factor = {state: factors.get(state, "1") for state in sigmas} if factors else None
    if taus:
        return Coloured(sigma=sigma, tau=taus.get("", taus), factor=factor)
    return Additive(sigma=sigma) if factor is None else Multiplicative(sigma=sigma, factor=factor)


def monitor(text: str, network: Connectome) -> Monitor:
    """KIND[:PERIOD][,key=value ...]; a bare number is milliseconds, the unit of dt."""
    from l2l.simulator import monitors

    kinds: dict[str, Any] = {
        "raw": monitors.Raw, "subsample": monitors.SubSample, "average": monitors.TemporalAverage,
        "global": monitors.GlobalAverage, "spatial": monitors.SpatialAverage, "eeg": monitors.EEG, "meg": monitors.MEG,
        "seeg": monitors.SEEG, "bold": monitors.Bold, "convolved": monitors.ConvolvedBold,
    }  # fmt: skip
    kind = re.split("[:,]", text, maxsplit=1)[0].strip()
    if kind not in kinds:
        raise SimulationError(f"unknown monitor {kind!r}; {nearest(kind, kinds)}")
    projects = kind in ("eeg", "meg", "seeg")
    bold = {"bold": ("step", "constants"), "convolved": ("interim", "response")}
    keys: tuple[str, ...] = ("name", "drive", "skip", *bold[kind]) if kind in bold else ("name", "variables")
    keys += ("gain", "sensors", "reference") if projects else ("groups",) if kind == "spatial" else ()
    what = f"monitor {kind}"
    head, own = _parts(text, keys, what)
    given: dict[str, Any] = {}
    if ":" in head:
        length = _milliseconds(head.partition(":")[2], f"the period of {what}")
        given["tr" if kind in bold else "period"] = length
    if "variables" in own:
        given["variables"] = tuple(own["variables"])
    for key in ("name", "drive", "constants", "response", "reference"):
        if key in own:
            given[key] = ",".join(own[key])
    for key in ("step", "skip", "interim"):
        if key in own:
            given[key] = _milliseconds(_one(own, key), f"{key} of {what}")
    if projects:
        if "gain" not in own:
            raise SimulationError(f"{what} needs the gain of its sensors, gain=FILE (a row a sensor), but got {text!r}")
        given["gain"] = load_matrix(_one(own, "gain"), f"gain of {what}")
        if "sensors" in own:
            # A file of one name a line, or the names themselves.
            file = Path(own["sensors"][0])
            named = len(own["sensors"]) == 1 and file.is_file()
            given["sensors"] = tuple(_lines(file, "sensors") if named else own["sensors"])
        if given.get("reference", "").isdecimal() and "sensors" not in given:
            given["reference"] = int(given["reference"])
    if kind == "spatial":
        if "groups" not in own:
            raise SimulationError(f"{what} needs groups=FILE or groups=hemispheres, but got {text!r}")
        given["groups"] = groups(_one(own, "groups"), network.labels)
    made: Monitor = kinds[kind](**given)
    return made


def groups(text: str, labels: Sequence[str]) -> tuple[str, ...]:
    """The group of each region: of a file with a line a region (GROUP, or LABEL,GROUP), or "hemispheres", by label."""
    if text == "hemispheres":
        sides = [_SIDE.match(label) or _SIDE.match(label.lower()) for label in labels]
        for label, side in zip(labels, sides, strict=True):
            if side is None:
                raise SimulationError(
                    f"groups=hemispheres needs labels that begin with their side (L., rh_, left ...), but there is "
                    f"{label!r}; give a file with a line for each region"
                )
        return tuple("left" if side is not None and side[1] else "right" for side in sides)
    file = Path(text)
    if not file.is_file():
        raise SimulationError(f"groups must be a file or 'hemispheres', but there is no file {text!r}")
    rows = [[cell.strip() for cell in line.split(",")] for line in _lines(file, "groups")]
    if any(len(row) != len(rows[0]) or len(row) > 2 for row in rows):
        raise SimulationError(f"{file} must have lines GROUP or lines LABEL,GROUP throughout, but has others")
    if rows and len(rows[0]) == 2:
        table = {label: group for label, group in rows}  # noqa: C416 - rows are lists
        for label in labels:
            if label not in table:
                raise SimulationError(f"{file} must name the group of every region, but lacks {label!r}")
        return tuple(table[label] for label in labels)
    if len(rows) != len(labels):
        raise SimulationError(f"{file} must have a line for each of {len(labels)} regions, but has {len(rows)}")
    return tuple(row[0] for row in rows)


def stimulus(text: str, network: Connectome) -> Stimulus:
    """STATE:KIND[,key=value ...]: KIND is step, pulses, sinusoid, or series (of a file)."""
    from l2l.simulator import stimulus as stimuli

    numbers = {"amplitude", "frequency", "phase"}
    known = {
        "step": ("onset", "end"),
        "pulses": ("width", "period", "onset", "end"),
        "sinusoid": ("frequency", "phase", "onset", "end"),
        "series": ("file",),
    }
    needed = {"pulses": ("width", "period"), "sinusoid": ("frequency",), "series": ("file",)}
    state, colon, kind = (part.strip() for part in text.partition(",")[0].partition(":"))
    if not (state and colon):
        raise SimulationError(f"--stimulus takes STATE:KIND,key=value, but got {text!r}")
    if kind not in known:
        raise SimulationError(f"unknown stimulus {kind!r}; {nearest(kind, known)}")
    _, own = _parts(text, (*known[kind], "amplitude", "nodes"), f"stimulus {kind}")
    for key in needed.get(kind, ()):
        if key not in own:
            raise SimulationError(f"stimulus {kind} needs {key}=, but got {text!r}")
    given: dict[str, Any] = {"state": state}
    for key in own:
        if key in ("nodes", "file"):
            continue
        value = _one(own, key)
        what = f"{key} of stimulus {kind}"
        given[key] = _number(value, what) if key in numbers or _is_zero(value) else _milliseconds(value, what)
    if "nodes" in own:
        given["nodes"] = [_node(each, network.labels) for each in own["nodes"]]
    if kind == "series":
        values = load_matrix(_one(own, "file"), "values of the stimulus")
        return stimuli.Series(values=values.ravel() if 1 in values.shape else values, **given)
    made: Stimulus = {"step": stimuli.Step, "pulses": stimuli.Pulses, "sinusoid": stimuli.Sinusoid}[kind](**given)
    return made


def coupling(texts: Sequence[str]) -> str | Mapping[str, Given] | None:
    """NAME for all inputs of the model, or INPUT=NAME for one each; its parameters are set as coupling.NAME."""
    if not texts:
        return None
    by_input: dict[str, Given] = {}
    for text in texts:
        symbol, equals, name = (part.strip() for part in text.rpartition("="))
        if not name or (equals and not symbol):
            raise SimulationError(f"--coupling takes NAME or INPUT=NAME, but got {text!r}")
        if symbol in by_input:
            raise SimulationError(f"--coupling takes one coupling an input, but got {text!r} after another")
        by_input[symbol] = name
    if "" in by_input:
        if len(by_input) > 1:
            raise SimulationError("--coupling takes one NAME for all inputs, or INPUT=NAME for each, but got both")
        return str(by_input[""])
    return by_input


def _parts(text: str, keys: Iterable[str], what: str) -> tuple[str, dict[str, list[str]]]:
    """What stands before the first key, and the values of each key. Raises SimulationError for an unknown key."""
    keys = tuple(keys)
    head, *rest = _split(text)
    own: dict[str, list[str]] = {}
    last: list[str] | None = None
    for part in rest:
        match = _KEY.fullmatch(part)
        if match is not None:
            if match[1] not in keys:
                raise SimulationError(f"{what} has no {match[1]!r}; {nearest(match[1], keys)}")
            if match[1] in own:
                raise SimulationError(f"{what} takes {match[1]} once, but got {text!r}")
            last = own.setdefault(match[1], [])
            part = match[2]
        if last is None or not part.strip():
            raise SimulationError(f"{what} takes key=value after a comma, but got {text!r}")
        last.append(part.strip())
    return head.strip(), own


def _split(text: str) -> list[str]:
    """At commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _one(own: Mapping[str, list[str]], key: str) -> str:
    if len(own[key]) != 1:
        raise SimulationError(f"{key} takes one value, but got {', '.join(own[key])}")
    return own[key][0]


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SimulationError(f"{what} must be a number, but got {text!r}") from None


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0.0
    except ValueError:
        return False


def _milliseconds(text: str, what: str) -> float:
    """A time in ms; a bare number is ms."""
    try:
        float(text)
    except ValueError:
        return seconds(text.strip(), what) * 1e3
    return seconds(text.strip() + "ms", what) * 1e3


def _node(text: str, labels: Sequence[str]) -> int:
    """A region by label or by number."""
    if text in labels:
        return list(labels).index(text)
    if text.isdecimal() and int(text) < len(labels):
        return int(text)
    raise SimulationError(f"no region {text!r} among {len(labels)}; {nearest(text, labels[:200])}")


def _lines(file: Path, what: str) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise L2LError(f"{what}: {file} cannot be read: {error}") from error

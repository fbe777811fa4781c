"""Tables of data frames: whole in a log, and in a terminal no wider than it, with no number and no name cut."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from l2l.report import print_frame

ROW = {
    "generation": 1, "position": 4, "G": 3.345, "w_p.myelin": 0.2699, "fc_corr": 0.04064, "spectra_distance": 0.9424,
    "fic_converged": True, "fic_deviation": 5.551e-17, "validated_fc_corr": -0.003978,
}  # fmt: skip
FRAME = pd.DataFrame([ROW, ROW])


def printed(frame: pd.DataFrame, width: int, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    print_frame(frame, Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def words(lines: list[str]) -> list[str]:
    return [word for line in lines for word in line.split()]


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_a_terminal_gets_no_line_longer_than_it_is_and_every_number_whole(width: int) -> None:
    lines = printed(FRAME, width)
    assert max(map(len, lines)) <= width
    for number in ("3.345", "0.2699", "0.04064", "0.9424", "5.551e-17", "-0.003978"):
        assert words(lines).count(number) == 2
    headers = "".join(words(lines))
    for piece in ("converged", "deviation", "distance", "validated_", "myelin", "generation"):
        assert piece in headers


def test_headers_break_at_their_joints_before_a_table_is_parted() -> None:
    lines = printed(FRAME, 110)
    assert sum(line.lstrip().startswith("─") for line in lines) == 1
    assert any({"fic_", "spectra_"} <= set(line.split()) for line in lines)
    parted = printed(FRAME, 60)
    assert sum(line.lstrip().startswith("─") for line in parted) > 1
    # each part says which individuals it is about
    assert sum(word == "generation" for word in words(parted)) == sum(word.startswith("──") for word in words(parted))


def test_a_log_gets_one_table_of_any_width() -> None:
    lines = printed(FRAME, 80, terminal=False)
    header = next(line for line in lines if "generation" in line)
    assert header.split() == list(ROW)


def test_only_text_is_folded_and_none_of_it_steers_the_terminal() -> None:
    text = "a long description of a parameter " * 5 + "\x1b[31m"
    lines = printed(pd.DataFrame([{"name": "[b]tau[/b]", "description": text, "default": 1.2345}]), 70)
    assert max(map(len, lines)) <= 70
    assert words(lines).count("description") == 1 + 5
    assert "1.234" in words(lines) or "1.235" in words(lines)
    assert "[b]tau[/b]" in words(lines)  # not taken for markup
    assert "\x1b" not in "".join(lines)

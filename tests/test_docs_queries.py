"""The examples of docs/queries.md, one after the other, as a reader would try them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from l2l.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "queries.md"


def test_every_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("L2L_STORE", raising=False)
    names: dict[str, object] = {}
    commands = 0
    for kind, block in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        if kind == "python" and block.startswith("# fit.py\n"):
            (tmp_path / "fit.py").write_text(block)
        elif kind == "python":
            exec(compile(block, str(PAGE), "exec"), names)
        else:
            for line in block.splitlines():
                program, *arguments = shlex.split(line)
                assert program == "l2l"
                result = CliRunner().invoke(app, arguments, catch_exceptions=False)
                assert result.exit_code == 0, f"{line}\n{result.output}"
                commands += 1
                if line.startswith("l2l query") and "--to" not in line:
                    assert "no individual" not in result.output, line
    assert commands > 15
    for name in ("late.csv", "run.csv", "run.parquet", "run.jsonl", "run.l2l.zip", "other.db", "run.optuna.db"):
        assert (tmp_path / name).stat().st_size > 0


def test_every_command_that_the_page_names_is_there() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    named = set(re.findall(r"l2l (\w+)", PAGE.read_text()))
    assert named - known <= {"db"}  # a group of commands

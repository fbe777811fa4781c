"""A list of runs: what the records say, at once, and nothing left beside the file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from l2l.store import RunSpec, Store
from l2l.store.listing import quick_lines


def test_lines_say_what_the_records_say(store: Store, url: str, spec: Callable[..., RunSpec]) -> None:
    store.create_run(spec("a'; DROP TABLE runs;--", tags=("x'\"", "~NaN", "NaN"))).finish("failed", "why: 'é'\n")
    store.create_run(spec("b", optimizer={"name": "cma-es", "sigma": float("nan")}))
    expected = [
        (each.id, each.name, each.status, each.optimizer.get("name", ""), each.created, each.finished, each.tags)
        for each in store.runs()
    ]
    for lines in (quick_lines(url), store.run_lines()):
        assert lines is not None
        found = [
            (each.id, each.name, each.status, each.optimizer, each.created, each.finished, each.tags) for each in lines
        ]
        assert found == expected
        assert lines[0].stop_reason == "why: 'é'\n"


def test_a_file_is_read_without_a_trace_and_as_store_open_names_it(
    tmp_path: Path, spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path / "l2l.db") as store:
        store.create_run(spec()).close()
    before = sorted(path.name for path in tmp_path.iterdir())
    for given in (tmp_path / "l2l.db", str(tmp_path / "l2l.db"), f"sqlite:///{tmp_path / 'l2l.db'}"):
        lines = quick_lines(given)
        assert lines is not None
        assert len(lines) == 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("L2L_STORE", raising=False)
    assert quick_lines() is not None
    monkeypatch.setenv("L2L_STORE", "other.db")
    assert quick_lines() is None
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_is_unusual_is_left_to_the_store(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database" * 100)
    (tmp_path / "empty.db").write_bytes(b"")
    for given in ("text.db", "empty.db", "absent.db", "."):
        assert quick_lines(tmp_path / given) is None
    assert quick_lines("mysql://x/y") is None
    assert quick_lines("sqlite:///a.db?mode=ro") is None
    assert quick_lines("postgresql://127.0.0.1:1/none") is None
    assert not (tmp_path / "absent.db").exists()


def test_neither_sqlalchemy_nor_numpy_is_loaded(tmp_path: Path, spec: Callable[..., RunSpec]) -> None:
    with Store.open(tmp_path / "l2l.db") as store:
        store.create_run(spec()).close()
    code = (
        "import sys; sys.argv = ['l2l', 'runs', '--store', sys.argv[1]]\n"
        "from l2l.cli import app\n"
        "app(standalone_mode=False)\n"
        "print([name for name in ('sqlalchemy', 'numpy', 'pandas', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "l2l.db")], capture_output=True, text=True, check=True
    )
    assert "fit" in done.stdout
    assert done.stdout.rstrip().endswith("[]")

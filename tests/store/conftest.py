"""A store on each database, and what fills it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2l.individual import Evaluation, Individual, Status
from l2l.store import RunSpec, Store

SPACE = {
    "G": {"kind": "real", "low": 0.0, "high": 5.0, "log": False, "shape": [], "unit": ""},
    "n": {"kind": "integer", "low": 1, "high": 8, "unit": ""},
    "rule": {"kind": "categorical", "choices": ["a", "b"]},
    "w": {"kind": "real", "low": 0.0, "high": 2.0, "log": False, "shape": [3], "unit": ""},
}
OBJECTIVES = [{"name": "fc_corr", "maximize": True}, {"name": "error", "maximize": False}]


def _server_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4].split(".")[0]))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL, without a database, of a throw-away server on a Unix socket; skips where none is installed."""
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (/usr/lib/postgresql/*/bin)")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = Path(tempfile.mkdtemp(prefix="l2l-pg-"))
    as_postgres: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
        shutil.chown(folder, "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"]
    folder.chmod(0o755)

    def server(*command: str) -> None:
        subprocess.run(
            [*as_postgres, str(binaries / command[0]), *command[1:]],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    data = str(folder / "data")
    try:
        server("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-k {folder} -p 54377 -c listen_addresses= -c fsync=off -c full_page_writes=off"
        server("pg_ctl", "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://postgres@/DATABASE?host={folder}&port=54377"
        finally:
            server("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of its own."""
    import psycopg

    name = f"t{abs(hash(request.node.nodeid))}"
    admin = postgresql.replace("+psycopg", "").replace("DATABASE", "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql.replace("DATABASE", name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'l2l.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


@pytest.fixture
def spec() -> Callable[..., RunSpec]:
    def make(name: str = "fit", **changes: Any) -> RunSpec:
        return RunSpec(**{"name": name, "seed": 7, "space": SPACE, "objectives": OBJECTIVES, **changes})

    return make


@pytest.fixture
def asked() -> Callable[..., list[Individual]]:
    """A generation of individuals, the same for the same arguments."""

    def make(generation: int = 0, size: int = 4) -> list[Individual]:
        rng = np.random.default_rng(generation)
        return [
            Individual(
                {
                    "G": float(rng.uniform(0, 5)),
                    "n": int(rng.integers(1, 9)),
                    "rule": "ab"[position % 2],
                    "w": rng.uniform(0, 2, 3),
                },
                generation,
                position,
                seed=int(rng.integers(2**64, dtype=np.uint64)),
            )
            for position in range(size)
        ]

    return make


@pytest.fixture
def done() -> Callable[..., Evaluation]:
    """A finished evaluation of an individual."""

    def make(individual: Individual, fc_corr: float = 0.5, misfit: float = 1.0, **changes: Any) -> Evaluation:
        return Evaluation(
            **{
                "individual": individual,
                "status": Status.OK,
                "fitness": {"fc_corr": fc_corr, "error": misfit},
                "started": 1.75e9,
                "seconds": 0.25,
                "worker": "tcp://127.0.0.1:1",
                "host": "node1",
                **changes,
            }
        )

    return make

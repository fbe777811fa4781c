"""What a run records of where it came from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
from pathlib import Path

import numpy as np

from l2l import provenance
from l2l.individual import Evaluation, Individual, Status
from l2l.report import print_account
from l2l.space import Real, Space
from l2l.store import RunSpec, Store
from l2l.trajectory import Trajectory


def test_script_and_versions_are_recorded(tmp_path: Path) -> None:
    script = tmp_path / "fit.py"
    script.write_text("answer = 42\n")
    known = provenance.gather(script)
    assert known["script"]["text"] == "answer = 42\n"
    assert known["script"]["sha256"] == hashlib.sha256(b"answer = 42\n").hexdigest()
    assert known["versions"]["numpy"] == np.__version__
    assert known["git"] is None
    json.dumps(known)


def test_the_commit_of_the_scripts_repository_is_recorded(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    script = tmp_path / "fit.py"
    script.write_text("1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    assert provenance.gather(script)["git"] == {"commit": git("rev-parse", "HEAD").strip(), "clean": True}
    script.write_text("2\n")
    assert provenance.gather(script)["git"]["clean"] is False


def test_changes_that_were_not_committed_are_recorded_by_their_hash(tmp_path: Path) -> None:
    def git(*arguments: str) -> bytes:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout

    script = tmp_path / "fit.py"
    script.write_text("1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    seen = []
    for text in ("2\n", "3\n", "2\n"):
        script.write_text(text)
        seen.append(provenance.gather(script)["git"]["diff_sha256"])
    assert seen[0] == seen[2] != seen[1]
    assert seen[0] == hashlib.sha256(git("diff", "HEAD", "--binary")).hexdigest()


def test_every_installed_package_is_recorded() -> None:
    packages = dict(line.split("==") for line in provenance.gather(None)["packages"].splitlines())
    for name in ("numpy", "sqlalchemy", "pytest-timeout"):
        assert packages[name] == importlib.metadata.version(name)


def test_a_run_accounts_for_its_data_workers_and_origin(tmp_path: Path) -> None:
    path = tmp_path / "l2l.db"
    digest = {"connectome": {"name": "dk", "sha256": "a" * 64}, "targets": [{"name": "fc", "sha256": "b" * 64}]}
    with Store.open(path) as store:
        space = Space({"x": Real(0, 1)})
        writer = store.create_run(
            RunSpec(
                name="fit",
                seed=3,
                space=space.as_json(),
                objectives=[{"name": "loss"}],
                optimizee=digest,
                provenance={"host": "here", "script": {"text": "print('\x1b[2J')\n", "path": "/x/fit.py"}},
                fingerprint="f",
            )
        )
        individual = Individual({"x": 0.5})
        writer.record_generation(0, [individual])
        writer.record_evaluations(
            [Evaluation(individual, Status.OK, {"loss": 1.0}, worker="w", host="node7", job="12")]
        )
        writer.finish("finished", "")
    with Trajectory.open(path) as trajectory:
        known = provenance.account(trajectory)
    assert known["host"] == "here"
    assert known["seed"] == 3
    assert known["optimizee"] == {
        "fingerprint": "f",
        "data": {"connectome": {"name": "dk", "sha256": "a" * 64}, "targets[0]": {"name": "fc", "sha256": "b" * 64}},
    }
    assert known["workers"] == [{"worker": "w", "host": "node7", "job": "12"}]
    assert known["imported"] == []
    json.dumps(known)


def test_a_strangers_script_cannot_steer_the_terminal(capsys) -> None:
    print_account({"command": ["l2l", "run\x1b]0;evil\x07"], "script": {"text": "x = '\x1b[2J'\n\ty\n", "path": "p"}})
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert shown.endswith("x = '\\x1b[2J'\n\ty\n")

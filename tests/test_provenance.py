"""What a run records of where it came from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np

from l2l import provenance


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

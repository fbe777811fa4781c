"""Load a user's script and find the experiment in it."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from l2l.errors import L2LError, ScriptError, nearest
from l2l.experiment import Experiment, FoundExperiment


def load_experiment(path: str | Path, name: str | None = None) -> Experiment:
    """The experiment that a script builds, at module level or in `main()`.

    name: which one, where the module holds several.
    Raises ScriptError if the script is missing, broken, or holds no experiment.
    """
    script = Path(path).resolve()
    if not script.is_file():
        near = [file.name for file in script.parent.glob("*.py")] if script.parent.is_dir() else []
        raise ScriptError(f"a script must be an existing file, but there is no {path}: {nearest(script.name, near)}")
    with _imports_from(script.parent):
        module = _module(script)
        found = _run_module(module, script)
        _send_by_value(module, script.parent)
        if isinstance(found, Experiment):
            return found
        experiments = {key: value for key, value in vars(module).items() if isinstance(value, Experiment)}
        if name is not None:
            if name not in experiments:
                raise ScriptError(f"{script.name} has no experiment {name!r}: {nearest(name, experiments)}")
            return experiments[name]
        distinct = {id(value): value for value in experiments.values()}
        if len(distinct) == 1:
            return next(iter(distinct.values()))
        if distinct:
            raise ScriptError(
                f"{script.name} holds several experiments ({', '.join(experiments)}): choose one with --experiment NAME"
            )
        return _from_main(module, script)


def _module(script: Path) -> ModuleType:
    name = f"l2l_script_{script.stem}"
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise ScriptError(f"a script must be a Python file that ends in .py, but got {script}")
    return importlib.util.module_from_spec(spec)


def _run_module(module: ModuleType, script: Path) -> Experiment | None:
    """Execute the script; an experiment that it tries to run is returned instead."""
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    sys.modules[module.__name__] = module
    with _loading():
        try:
            module.__spec__.loader.exec_module(module)
        except FoundExperiment as found:
            return found.experiment
        except SyntaxError as error:
            place = f"line {error.lineno}" if error.filename == str(script) else f"{error.filename}:{error.lineno}"
            raise ScriptError(f"{script.name} is not valid Python: {error.msg} ({place})") from error
        except L2LError:
            raise
        except SystemExit as error:
            raise ScriptError(f"{script.name} ended itself with exit status {error.code} while it was loaded") from None
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise ScriptError(
                f"{script.name} raised {type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
            ) from error
    return None


def _from_main(module: ModuleType, script: Path) -> Experiment:
    main = getattr(module, "main", None)
    result: object = None
    if callable(main):
        with _loading():
            try:
                result = main()
            except FoundExperiment as found:
                return found.experiment
    if isinstance(result, Experiment):
        return result
    raise ScriptError(
        f"{script.name} holds no experiment: build one at module level, `experiment = Experiment(...)`, "
        "or return one from main()"
    )


@contextmanager
def _loading() -> Iterator[None]:
    Experiment.loading_script = True
    try:
        yield
    finally:
        Experiment.loading_script = False


@contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """The script's folder on the import path, as when Python runs the script itself."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _send_by_value(script: ModuleType, folder: Path) -> None:
    """Make the script, and the modules that lie beside it, travel to workers whole: they have no such folder."""
    import cloudpickle

    # An environment kept in the script's folder is installed on the workers, and would be heavy to send.
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib")}
    package = Path(__file__).resolve().parent
    for module in [script, *sys.modules.values()]:
        file = getattr(module, "__file__", None)
        if not file:
            continue
        home = Path(file).resolve()
        if home.is_relative_to(folder) and not any(home.is_relative_to(other) for other in (*installed, package)):
            cloudpickle.register_pickle_by_value(module)

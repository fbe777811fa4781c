"""The command line: `l2l run`, `l2l best`, `l2l resume` and the rest. Only this package exits the process."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

# Imported for the commands they add to the application.
from l2l.cli import (  # noqa: F401
    cohorts,
    data,
    exchange,
    experiments,
    queries,
    recovery,
    reproduction,
    simulation,
    store,
    submission,
    trajectories,
)
from l2l.cli.options import app
from l2l.errors import L2LError

INTERRUPTED = 130  # what shells expect of a process that SIGINT ended


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature that `signal` asks for
    raise KeyboardInterrupt


def main() -> None:
    """The entry point: errors become one clear line and an exit status."""
    # A batch system ends a job with SIGTERM: finish as for Ctrl-C, so that the run can be resumed.
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except L2LError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # `l2l best | head`
        sys.stderr.close()
        sys.exit(0)

"""A real Slurm in a temporary folder: one controller and several slurmd, all on loopback, nothing left behind.

By hand:  python tests/hpc/slurm.py   then, in another shell,  export SLURM_CONF=...  as it prints; Ctrl-C stops it.

No systemd, no cgroups, no accounting database. Debian's packages are slurm-wlm and munge. It must run as root, since
slurmd does; elsewhere `missing()` says why not.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol")
# slurmd insists on character devices for GPUs; these are there on every Linux and need no mknod.
PRETEND_GPUS = ("/dev/null", "/dev/zero")

CONF = """\
ClusterName=l2ltest
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
PropagateResourceLimits=NONE
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
# A test waits for nothing: schedule at every event.
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=10000
DefMemPerCPU=64
KillWait=2
CompleteWait=0
ReturnToService=2
GresTypes=gpu
# Several slurmd share the cores of this machine, so each claims more than its share.
SlurmdParameters=config_overrides
{nodes}
PartitionName=batch Nodes=ALL Default=YES MaxTime=60 State=UP
PartitionName=closed Nodes=ALL MaxTime=60 State=DOWN
"""


def missing() -> str:
    """Why no Slurm can be started here; "" if it can."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)} not found): apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd must run as root"


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


class Slurm:
    """nodes: how many slurmd. Each claims 4 processors and two pretend GPUs. A context manager."""

    def __init__(self, nodes: int = 2) -> None:
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        # Not below pytest's own folders: munge refuses those that others may not enter, and sockets have short names.
        self.root = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.conf = self.root / "slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Slurm:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.root.chmod(0o755)
        (self.root / "state").mkdir()
        self._write_configuration()
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = {"key-file": key, "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        munge["log-file"] = "munge.log"
        self._daemon("munged", "--foreground", *(f"--{name}={self.root / str(file)}" for name, file in munge.items()))
        self._await(lambda: (self.root / "munge.socket").exists(), "munged")
        self._daemon("slurmctld", "-D", "-f", str(self.conf))
        for node in self.nodes:
            (self.root / f"spool-{node}").mkdir()
            self._daemon("slurmd", "-D", "-f", str(self.conf), "-N", node)
        self._await(lambda: self.idle_nodes() == set(self.nodes), "its nodes")

    def _write_configuration(self) -> None:
        ports = _free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=4096 "
            f"Gres=gpu:{len(PRETEND_GPUS)}"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        )
        self.conf.write_text(CONF.format(root=self.root, user=getpass.getuser(), ports=ports, nodes=nodes))
        gpus = [f"NodeName={node} Name=gpu File={file}" for node in self.nodes for file in PRETEND_GPUS]
        (self.root / "gres.conf").write_text("AutoDetect=off\n" + "\n".join(gpus) + "\n")

    def _daemon(self, *command: str) -> None:
        output = (self.root / "output.log").open("ab")
        environment = os.environ | {"PATH": _path(), "SLURM_CONF": str(self.conf)}
        with output:
            self._daemons.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd="/"
                )
            )

    def _await(self, ready: object, what: str, seconds: float = 60.0) -> None:
        assert callable(ready)
        end = time.monotonic() + seconds
        while not ready():
            dead = [daemon.args for daemon in self._daemons if daemon.poll() is not None]
            if dead or time.monotonic() > end:
                logs = "\n".join(file.read_text(errors="replace")[-1500:] for file in self.root.glob("*.log"))
                raise RuntimeError(f"Slurm did not come up: {what} (ended: {dead})\n{logs}")
            time.sleep(0.05)

    def call(self, *command: str) -> str:
        """The output of one of Slurm's commands."""
        environment = os.environ | {"PATH": _path(), "SLURM_CONF": str(self.conf)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
        return done.stdout.strip()

    def idle_nodes(self) -> set[str]:
        return set(self.call("sinfo", "-h", "-N", "-p", "batch", "-t", "idle", "-o", "%N").split())

    def jobs(self, state: str = "") -> list[str]:
        """The ids of the jobs that are in the queue (those that are ending as well), or only those in `state`."""
        return self.call("squeue", "-h", "-o", "%i", *(["-t", state] if state else [])).split()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            jobs = self.jobs()
            if jobs:
                self.call("scancel", "--signal=KILL", "--full", *jobs)
                self.call("scancel", *jobs)
                end = time.monotonic() + 10
                while self.jobs() and time.monotonic() < end:
                    time.sleep(0.1)
        # munged last: the others need it to part properly.
        for daemon in reversed(self._daemons):
            with contextlib.suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.root, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    if missing():
        raise SystemExit(missing())
    with Slurm() as slurm, contextlib.suppress(KeyboardInterrupt):
        print(f"export SLURM_CONF={slurm.conf}", flush=True)
        signal.pause()

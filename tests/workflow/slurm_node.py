"""A real Slurm of one node, whose two GPUs are files that every machine has.

All it needs and writes stands in a temporary folder: it needs no root, touches nothing in /etc, and
several may run beside each other or beside a Slurm of the machine.
"""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from checkout import quick

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun", "setpriv")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
SECONDS_TO_START = 30
SECONDS_TO_STOP = 10

# The node has the CPUs and the memory that are written here, whatever the machine has.
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
KillWait=2
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes={host} Default=YES
"""
# Snakemake's jobs call srun without the variables of Slurm, and so without SLURM_CONF.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {program} "$@"\n'
GPUS = "NodeName={host} Name=gpu File=/dev/null\nNodeName={host} Name=gpu File=/dev/zero\n"


class Node:
    """The running node.

    Args:
        folder: of its configuration, state and logs.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment: Mapping[str, str] = {
            **quick(),
            "PATH": f"{folder}{os.pathsep}{PATH}",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def ask(self, *command: str) -> str | None:
        """Return the output of a command of Slurm; None where it fails."""
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        return done.stdout.strip() if done.returncode == 0 else None

    def cancel(self) -> None:
        """Cancel all jobs and wait until they have ended."""
        self.ask("scancel", "--user", str(os.getuid()))
        wait(lambda: self.ask("squeue", "-h") == "", SECONDS_TO_STOP)

    def start(self, program: str, *arguments: str) -> subprocess.Popen:
        """Start a daemon that dies with this process, however that ends."""
        command = ["setpriv", "--pdeathsig", "KILL", "--", program, *arguments]
        with (self.folder / f"{program}.log").open("w") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)


@contextmanager
def slurm_node() -> Iterator[Node]:
    """Start the node and wait until it is idle; skip where that cannot be done."""
    missing = [name for name in DAEMONS + COMMANDS if shutil.which(name, path=PATH) is None]
    if missing:
        pytest.skip(f"no Slurm here: not installed: {', '.join(missing)}")
    # Not in a folder of pytest's: the path of a socket may have 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as name,
        ExitStack() as running,
    ):
        node = Node(Path(name))
        configure(node.folder)
        munge = [
            f"--{option}={name}/munge.{option.removesuffix('-file')}"
            for option in ("key-file", "socket", "pid-file", "seed-file", "log-file")
        ]
        ready = {
            ("munged", "--foreground", "--force", *munge): (node.folder / "munge.socket").exists,
            ("slurmctld", "-D"): lambda: node.ask("scontrol", "ping"),
            ("slurmd", "-D"): lambda: node.ask("sinfo", "-h", "-o", "%t") == "idle",
        }
        for command, is_ready in ready.items():
            daemon = node.start(*command)
            running.callback(stop, daemon)
            wait(lambda: daemon.poll() is not None or is_ready(), SECONDS_TO_START)  # noqa: B023
            if daemon.poll() is not None or not is_ready():
                *_, said = (node.folder / f"{command[0]}.log").read_text().splitlines() or [""]
                pytest.skip(f"no Slurm here: {command[0]} does not start: {said}")
        try:
            yield node
        finally:
            node.cancel()


def configure(folder: Path) -> None:
    """Write all that the daemons read."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = [one.getsockname()[1], other.getsockname()[1]]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, ports=ports, user=os.getuid())
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(GPUS.format(host=host))
    program = shutil.which("srun", path=PATH)
    (folder / "srun").write_text(SRUN.format(folder=folder, program=program))
    (folder / "srun").chmod(0o755)


def wait(done: Callable[[], object], seconds: float) -> bool:
    """Return True if something is done within so many seconds."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def stop(process: subprocess.Popen) -> None:
    """End a daemon, by force where it takes its time."""
    process.terminate()
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

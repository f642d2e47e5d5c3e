"""Call Snakemake in forks of a process that has imported it: a fork costs no start of Python."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

PRELOADED = ("snakemake.cli", "snakemake.executors.local", "snakemake.report", "pydantic",
             "jinja2", "pandas", "snakemake_executor_plugin_slurm")  # fmt: skip
"""Never the package itself: each checkout has its own."""
COUNTING = "COVERAGE_PROCESS_CONFIG"
"""With it, a process counts its lines: other tests execute those of the jobs."""
_own = threading.local()


def call(
    arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess:
    """Return what ``python -m snakemake <arguments>`` does in a folder."""
    if not hasattr(_own, "process"):
        _own.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={name: value for name, value in os.environ.items() if name != COUNTING},
        )  # fmt: skip
        atexit.register(_own.process.communicate)
    with tempfile.NamedTemporaryFile("r") as output, tempfile.NamedTemporaryFile("r") as errors:
        request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment),
                   "printed": [output.name, errors.name]}  # fmt: skip
        print(json.dumps(request), file=_own.process.stdin, flush=True)
        status = json.loads(_own.process.stdout.readline())
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.CompletedProcess(command, status, output.read(), errors.read())


def run(arguments: list[str], folder: str, environment: Mapping[str, str], printed: list[str]):
    """Run Snakemake in this process, which then ends."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, name in enumerate(["/dev/null", *printed]):
        os.dup2(os.open(name, os.O_RDWR), descriptor)
    sys.argv = ["snakemake", *arguments]
    sys.path[0] = folder
    sys.modules["snakemake.cli"].main()


if __name__ == "__main__":
    import importlib

    for module in PRELOADED:
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
            sys.exit()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)

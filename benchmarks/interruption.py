"""What an interruption of the demonstration costs: killed half-way, then called again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from timing import Row

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", "demo.yaml"]


def interruption() -> Iterator[Row]:
    """The demonstration undisturbed, and with all its processes killed half-way."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _seconds(_checkout(Path(folder, "undisturbed")), COMMAND)
        checkout = _checkout(Path(folder, "killed"))
        began = time.perf_counter()
        with subprocess.Popen(
            COMMAND, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:  # fmt: skip
            time.sleep(undisturbed / 2)
            os.killpg(process.pid, signal.SIGKILL)
        killed = time.perf_counter() - began
        again = _seconds(checkout, [*COMMAND, "--unlock"]) + _seconds(checkout, COMMAND)
        for name in ("accuracy.csv", "complexity.csv"):
            tables = [Path(folder, each, "results/synthetic/tables", name)
                      for each in ("undisturbed", "killed")]  # fmt: skip
            if tables[0].read_bytes() != tables[1].read_bytes():
                raise RuntimeError(f"{name} is another after the interruption")
    total = killed + again
    yield Row(
        benchmark="interruption",
        case="the demonstration, killed half-way and called again",
        ours=total,
        unit="s",
        spread="",
        other="undisturbed",
        others=undisturbed,
        ratio=undisturbed / total,
        note=f"{total / undisturbed - 1:+.1%}; killed after {killed:.0f} s, then {again:.0f} s, "
        "--unlock among them; tables equal to the byte; what the killed epochs had taken is in it",
    )


def _checkout(target: Path) -> Path:
    left_out = shutil.ignore_patterns(".git", ".venv", ".uv", ".snakemake", "results", ".*_cache")
    return Path(shutil.copytree(REPOSITORY, target, ignore=left_out))


def _seconds(checkout: Path, command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, cwd=checkout, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - began

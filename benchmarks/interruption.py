"""Measure the cost of an interruption: the demonstration is killed half-way, then called again."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from commands import checkout
from timing import Row

COMMAND = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", "demo.yaml"]


def interruption() -> Iterator[Row]:
    """Run the demonstration undisturbed, and with all its processes killed half-way."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = _seconds(checkout(Path(folder, "undisturbed")), COMMAND)
        broken = checkout(Path(folder, "killed"))
        began = time.perf_counter()
        with subprocess.Popen(
            COMMAND, cwd=broken, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:  # fmt: skip
            time.sleep(undisturbed / 2)
            os.killpg(process.pid, signal.SIGKILL)
        killed = time.perf_counter() - began
        again = _seconds(broken, [*COMMAND, "--unlock"]) + _seconds(broken, COMMAND)
        for name in ("accuracy.csv", "complexity.csv"):
            tables = [Path(folder, each, "results/synthetic/paper/tables", name)
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


def _seconds(folder: Path, command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - began

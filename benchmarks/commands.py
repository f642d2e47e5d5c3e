"""Run the commands of this package: in a checkout, with their time and memory, or to train."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
# Not getrusage for the process itself: it begins with the peak of the one that started it.
PEAK = (
    "import resource; own = open('/proc/self/status').read().partition('VmHWM:')[2].split()[0];"
    "print(max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
)
CODE = f"import sys; from bptubeformer.cli import main; main(sys.argv[1:]); {PEAK}"


def checkout(target: Path) -> Path:
    """Copy the working tree, without results and packages."""
    left_out = shutil.ignore_patterns(".git", ".venv", ".uv", ".snakemake", "results", ".*_cache")
    return Path(shutil.copytree(REPOSITORY, target, ignore=left_out))


def measured(stage: str, options: Mapping[str, Any]) -> tuple[float, float]:
    """Run the command of a stage; return its seconds, and its peak of resident memory in MB."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CODE, stage, *_written(options)], check=True, capture_output=True,
        text=True, cwd=REPOSITORY / "src",
    )  # fmt: skip
    return time.perf_counter() - began, int(done.stdout.split()[-1]) / 1024


def train_command(
    folder: Path, run: Mapping[str, Any], settings: Mapping[str, Any], device: str, output: Path
) -> list[str]:
    """The command that trains a run on ``frames.safetensors`` and ``fold0.parquet`` of a folder."""
    options = {"store": folder / "frames.safetensors", "splits": folder, "run": run,
               "training": settings, "device": device, "output": output}  # fmt: skip
    return [sys.executable, "src", "train", *_written(options)]


def _written(options: Mapping[str, Any]) -> list[str]:
    return [
        f"--{key}={json.dumps(value) if isinstance(value, Mapping) else value}"
        for key, value in options.items()
    ]

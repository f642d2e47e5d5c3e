"""A checkout with few and small runs, and Snakemake called in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL = {
    "dataset": {"name": "small", "source": "synthetic"},
    "synthetic": {"seed": 6, "size": 0.6},
    "split": {"folds": 2},
    "windows": {"step": 24},
    "training": {"batch_size": 16, "max_epochs": 1},
    "architecture": {"token_width": 8, "depth": 1},
    "leakage": {"runs": ["BPT-V2"]},
    "statistics": {"bootstrap_samples": 200},
}
RESULTS = Path("results", "small")


def clone(target: Path) -> Path:
    """A checkout of the working tree, without results."""
    left_out = shutil.ignore_patterns(".git", ".venv", ".uv", ".snakemake", "results", ".*_cache")
    return shutil.copytree(REPOSITORY, target, ignore=left_out)


def copy_checkout(target: Path) -> Path:
    """A checkout with two runs instead of all."""
    clone(target)
    config = yaml.safe_load((target / "config.yaml").read_text())
    config["runs"] = {name: config["runs"][name] for name in ("ST-Tran", "BPT-V2")}
    config["controls"] = {name: config["controls"][name] for name in ("BPT-V2-T12",)}
    (target / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (target / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return target


def snakemake(
    checkout: Path, *arguments: str, cores: int | None = 2, **environment: str
) -> subprocess.CompletedProcess:
    """Call Snakemake, with more variables in its environment."""
    number = ["--cores", str(cores)] if cores else []
    command = [sys.executable, "-m", "snakemake", *number, *arguments]
    return subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, env={**quick(), **environment}
    )


def quick() -> dict[str, str]:
    """This environment, but for what counts the lines of every job: other tests execute them."""
    kept = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
    return {**kept, "NO_COLOR": "1"}

"""A checkout with few and small runs, and Snakemake called in it."""

import os
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

import forking
from bptubeformer.config import studies_of
from bptubeformer.sections import parsed_yaml

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL = {
    "dataset": {"name": "small", "source": "synthetic"},
    "synthetic": {"seed": 6, "size": 0.6},
    "split": {"folds": 2},
    "windows": {"step": 24},
    "training": {"batch_size": 16, "max_epochs": 1},
    "architecture": {"token_width": 8, "depth": 1},
    "statistics": {"bootstrap_samples": 200},
}
RESULTS = Path("results", "small")
PAPER = RESULTS / "paper"


def base_config() -> dict[str, Any]:
    """Return a new copy of what config.yaml says."""
    return parsed_yaml((REPOSITORY / "config.yaml").read_text())


def study_of_one_run(results: Path, folds: int, run: dict[str, Any]) -> tuple[dict, dict]:
    """A configuration whose only run is called mine, under video; and its study, whole, as JSON.

    Args:
        results: ``results/<dataset>``.
        folds: number of folds.
        run: model and hyperparameters.
    """
    config = base_config()
    config["dataset"] |= {"name": results.name, "source": "synthetic"}
    config["runs"] = {"mine": {"experiment": "x", **run}}
    study = {"question": "?", "runs": ["mine"], "baseline": "mine", "shown": "mine",
             "leakage": ["mine"], "identity": ["mine"], "calibration": ["mine"],
             "claims": True}  # fmt: skip
    config |= {"studies": {"alone": study}, "protocols": ["video"], "categories": {}}
    config["split"]["folds"] = folds
    config["statistics"]["bootstrap_samples"] = 100
    study = studies_of(config, results.parent)["alone"]
    keys = [field.name for field in fields(study) if field.name not in ("name", "results")]
    return config, study.part(*keys)


def clone(target: Path) -> Path:
    """A checkout of the working tree, without results."""
    left_out = shutil.ignore_patterns(".git", ".venv", ".uv", ".snakemake", "results", ".*_cache")
    return shutil.copytree(REPOSITORY, target, ignore=left_out)


def copy_checkout(target: Path) -> Path:
    """A checkout with two runs of the paper and a control instead of all."""
    clone(target)
    config = base_config()
    config["runs"] = {name: config["runs"][name] for name in ("ST-Tran", "BPT-V2", "BPT-V2-T12")}
    papers, controls = (config["studies"][name] for name in ("paper", "controls"))
    papers |= {"runs": ["ST-Tran", "BPT-V2"], "counted": ["BPT-V2-T12"], "leakage": ["BPT-V2"]}
    controls |= {"runs": ["paper", "BPT-V2-T12"], "counted": []}
    controls["findings"] = {"Is BPT-V2 better than ST-Tran?": ["BPT-V2", "ST-Tran"],
                            "Does it know noise?": ["BPT-V2-T12", "chance", "noise"]}  # fmt: skip
    controls |= {"leakage": ["BPT-V2"], "identity": ["BPT-V2"], "calibration": ["BPT-V2-T12"]}
    config["studies"] = {"paper": papers, "controls": controls}
    (target / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (target / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return target


def snakemake(
    checkout: Path, *arguments: str, cores: int | None = 2, **environment: str
) -> subprocess.CompletedProcess:
    """Call Snakemake, with more variables in its environment."""
    number = ["--cores", str(cores)] if cores else []
    return forking.call([*number, *arguments], checkout, {**quick(), **environment})


def quick() -> dict[str, str]:
    """This environment, but for what counts the lines of every job."""
    kept = {name: value for name, value in os.environ.items() if name != forking.COUNTING}
    return {**kept, "NO_COLOR": "1"}

"""Jobs in conda environments that are really solved and installed, from a channel of this machine.

The packages of the channel are those that run the tests: it shows that the environment files can be
solved, that each holds all that its stages need, and that jobs run in them. It does not solve
conda-forge; .github/workflows/conda.yaml does.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from checkout import RESULTS, SMALL, snakemake
from workflow.conda_channel import build_channel, distributions_of, write_conda

HERE, THERE = RESULTS, Path("results", "conda")
TARGETS = ("notebooks/movement.html", "projector/vectors.tsv", "tables/complexity.csv",
           "as-published/BPT-V2/fold0/predictions.parquet")  # fmt: skip
"""Jobs of every environment but that of the crate."""
SAME = ("data/frames.safetensors", "data/splits/as-published/T24/fold0.parquet",
        "as-published/BPT-V2/fold0/model.safetensors",
        "as-published/BPT-V2/fold0/predictions.parquet", "tables/complexity.csv",
        "tables/movement.csv", "projector/vectors.tsv", "figures/movement.svg")  # fmt: skip


@pytest.fixture(scope="module")
def conda(finished, tmp_path_factory):
    """Call Snakemake in the finished checkout with conda on the path; nothing of the tests is."""
    checkout, _ = finished
    home = tmp_path_factory.mktemp("conda")
    files = sorted((checkout / "envs").glob("*.yaml"))
    build_channel(home / "channel", distributions_of(*files))
    path = os.pathsep.join([str(write_conda(home)), os.environ["PATH"]])
    (checkout / "conda.yaml").write_text(
        yaml.safe_dump({**SMALL, "dataset": {"name": "conda", "source": "synthetic"}})
    )
    yield lambda *arguments: snakemake(checkout, "--use-conda", *arguments, PATH=path)
    (checkout / "conda.yaml").unlink()
    shutil.rmtree(checkout / THERE, ignore_errors=True)


pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the environments are those of Python 3.11"
)


def test_switching_to_conda_plans_nothing(conda):
    done = conda("-n", "--configfile", "small.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_same_results_stand_with_conda_and_switching_back_plans_nothing(conda, finished):
    checkout, _ = finished
    targets = [str(THERE / target) for target in TARGETS]
    done = conda("--configfile", "conda.yaml", "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    made = re.findall(r"Creating conda environment envs/([\w-]+)\.yaml", done.stdout + done.stderr)
    assert sorted(made) == ["data", "figures", "training-cpu"]
    for name in SAME:
        assert (checkout / THERE / name).read_bytes() == (checkout / HERE / name).read_bytes(), name
    back = snakemake(checkout, "-n", "--configfile", "conda.yaml", "--", *targets)
    assert "Nothing to be done" in back.stdout + back.stderr


def test_a_crate_is_made_in_its_environment(conda):
    done = conda("--configfile", "small.yaml", "--forcerun", "crate", "--", f"{HERE}/crate.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Creating conda environment envs/provenance.yaml" in done.stdout + done.stderr


@pytest.fixture
def ingest_with(conda, finished):
    """Run ingest with its environment file changed; what Snakemake printed when it failed."""
    checkout, _ = finished
    path = checkout / "envs" / "data.yaml"
    text = path.read_text()

    def run(pattern: str, replacement: str) -> str:
        path.write_text(re.sub(pattern, replacement, text))
        done = conda("--configfile", "conda.yaml", "--forcerun", "ingest", "--",
                     f"{THERE}/data/frames.safetensors")  # fmt: skip
        assert done.returncode == 1
        return done.stdout + done.stderr

    yield run
    path.write_text(text)


def test_a_job_sees_only_what_its_environment_has(ingest_with):
    """Without pandas in its environment, ingest fails, though the tests have it."""
    shown = ingest_with(r"  - (pandas|scikit-learn) .*\n", "")
    assert "No module named 'pandas'" in shown


def test_an_environment_that_cannot_be_solved_stops_before_any_job(ingest_with):
    shown = ingest_with(r"numpy =.*", "numpy =1.0")
    assert "Could not create conda environment" in shown
    assert "numpy" in shown

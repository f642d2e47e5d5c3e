"""Jobs in conda environments that are really solved and installed.

Conda has Python and pip alone, from a channel of this machine: conda-forge cannot be solved here,
.github/workflows/conda.yaml does it. What the environment files leave to pip is installed twice:

- in every test run as links to the packages that run the tests. pip resolves the lists, from
  wheels of nothing but what they name; so each list is complete and without conflicts.
- with ``pytest -m environments`` from the package index, by uv if there is one, else by pip.
"""

import os
import re
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from checkout import RESULTS, SMALL, snakemake
from environments import pinned
from generate import STAGES
from workflow.conda_channel import write_conda

HERE, THERE = RESULTS, Path("results", "conda")
TARGETS = ("paper/notebooks/movement.html", "paper/projector/vectors.tsv",
           "paper/tables/complexity.csv",
           "as-published/BPT-V2/fold0/predictions.parquet")  # fmt: skip
"""Jobs of every environment but that of the crate."""
SAME = ("data/frames.safetensors", "data/splits/as-published/T24/fold0.parquet",
        "as-published/BPT-V2/fold0/model.safetensors",
        "as-published/BPT-V2/fold0/predictions.parquet", "paper/tables/complexity.csv",
        "paper/tables/movement.csv", "paper/projector/vectors.tsv",
        "paper/figures/movement.svg")  # fmt: skip


@pytest.fixture(
    scope="module", params=["links", pytest.param("index", marks=pytest.mark.environments)]
)
def conda(request, finished, tmp_path_factory):
    """Call Snakemake in the finished checkout with conda on the path; nothing of the tests is."""
    checkout, _ = finished
    home = tmp_path_factory.mktemp("conda")
    path = os.pathsep.join([str(write_conda(home, request.param)), os.environ["PATH"]])
    (checkout / "conda.yaml").write_text(
        yaml.safe_dump({**SMALL, "dataset": {"name": "conda", "source": "synthetic"}})
    )
    yield lambda *arguments: snakemake(checkout, "--use-conda", *arguments, PATH=path)
    (checkout / "conda.yaml").unlink()
    shutil.rmtree(checkout / THERE, ignore_errors=True)
    shutil.rmtree(checkout / ".snakemake" / "conda")  # gigabytes, if from the index


pytestmark = [
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 11), reason="the environments are those of Python 3.11"
    ),
]


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
    assert sorted(made) == ["data", "figures", "training"]
    for name in SAME:
        assert (checkout / THERE / name).read_bytes() == (checkout / HERE / name).read_bytes(), name
    back = snakemake(checkout, "-n", "--configfile", "conda.yaml", "--", *targets)
    assert "Nothing to be done" in back.stdout + back.stderr


def test_a_crate_is_made_in_its_environment(conda):
    done = conda("--configfile", "small.yaml", "--forcerun", "crate", "--", f"{HERE}/crate.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Creating conda environment envs/provenance.yaml" in done.stdout + done.stderr


def test_an_environment_has_what_its_file_lists_and_nothing_else(conda, finished):
    done = conda(
        "--conda-create-envs-only", "--forceall", "--configfile", "small.yaml", "--", "crate"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = {}
    for file in Path(finished[0], ".snakemake", "conda").glob("*.yaml"):
        path = [str(folder) for folder in file.with_suffix("").glob("lib/*/site-packages")]
        there = {canonicalize_name(one.name): one.version for one in distributions(path=path)}
        listed = pinned(file)
        made[yaml.safe_load(file.read_text())["name"]] = listed
        assert set(there) == {*listed, "pip"}
        assert all(Version(there[name]) in SpecifierSet(f"=={listed[name]}") for name in listed)
    assert sorted(made) == [f"bptubeformer-{name}" for name in sorted(STAGES)]


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
    shown = ingest_with(r" +- pandas==.*\n", "")
    assert "No module named 'pandas'" in shown


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [("python =.*", "python =2.6"), ("numpy==.*", "numpy==0.0.1"),
     ("pydantic-core==.*", "pydantic-core==2.0.0")],
)  # fmt: skip
def test_an_environment_that_cannot_be_solved_stops_before_any_job(
    ingest_with, pattern, replacement
):
    shown = ingest_with(pattern, replacement)
    assert "Could not create conda environment" in shown
    assert re.split("[ =]", replacement)[0] in shown

"""Ways to install other than ``uv run``: an image, and without the libraries of CUDA.

They need gigabytes of the package index: ``pytest -m environments``.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checkout import REPOSITORY, RESULTS, copy_checkout, quick

CPU_TORCH = f"torch-*+cpu-cp3{sys.version_info.minor}-*.whl"
PREDICTIONS = f"{RESULTS}/as-published/BPT-V2/fold0/predictions.parquet"
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
BASE_PYTHON = str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))
PLACES = r"(?<![\w/.])(/opt|/tmp|/checkout)\b"
"""Folders of the image that steps name; a test puts them below a folder of its own."""


def clean_environment() -> dict[str, str]:
    """This environment, but for what leads uv or Python to the packages that run the tests."""
    left_out = ("UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: value for name, value in quick().items() if name not in left_out}


def instructions() -> list[tuple[str, str]]:
    """The steps of the Dockerfile; none continues on a second line."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_copies_what_dockerignore_lets_through_and_no_more():
    sent = re.findall(r"^!(.+)$", (REPOSITORY / ".dockerignore").read_text(), re.M)
    ((*names, target),) = (rest.split() for word, rest in instructions() if word == "COPY")
    assert (names, target) == (sent, "./")
    assert (REPOSITORY / ".dockerignore").read_text().startswith("*\n")


def test_the_image_has_the_python_of_the_environments():
    (environment,) = {
        str(line)
        for path in (REPOSITORY / "envs").glob("*.yaml")
        for line in yaml.safe_load(path.read_text())["dependencies"][:1]
    }
    assert ("FROM", f"{environment.replace(' =', ':')}-slim") in instructions()


@pytest.fixture
def scratch(tmp_path):
    """A folder for gigabytes; pytest would keep it."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def predict(tmp_path_factory):
    """Train and test one fold of BPT-V2 in a new checkout, where no address can be reached."""
    checkout = copy_checkout(tmp_path_factory.mktemp("checkout") / "bptubeformer")

    def run(**environment: str) -> None:
        shutil.rmtree(checkout / RESULTS, ignore_errors=True)
        alone = ["unshare", "--net"] if os.geteuid() == 0 and shutil.which("unshare") else []
        command = ["snakemake", "--cores", "2", "--configfile", "small.yaml", "--", PREDICTIONS]
        done = subprocess.run([*alone, *command], cwd=checkout, capture_output=True, text=True,
                              env={**clean_environment(), **environment})  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert (checkout / PREDICTIONS).exists()

    return run


@pytest.mark.environments
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image has Python 3.11")
def test_the_steps_of_the_image_install_what_the_workflow_needs(scratch, predict):
    """RUN, COPY, ENV and WORKDIR are carried out as they are, in order; there is no daemon here.

    A new virtual environment stands for FROM, a folder for the root. The options ``--mount`` are
    left out: uv uses its cache of this machine. That any user may run it is seen from the modes.
    """
    subprocess.run([sys.executable, "-m", "venv", scratch / "python"], check=True)
    (scratch / "tmp").mkdir()
    # uv takes no virtual environment for an interpreter: it gets the one that this is made of.
    environment = {**clean_environment(), "UV_PYTHON": BASE_PYTHON,
                   "PATH": f"{scratch / 'python' / 'bin'}:/usr/bin:/bin"}  # fmt: skip
    folder = scratch
    for word, rest in instructions():
        rest = re.sub(PLACES, rf"{scratch}\1", rest)
        if word == "ENV":
            for name, value in re.findall(r"(\w+)=(\S+)", rest):
                environment[name] = value.replace("$PATH", environment["PATH"])
        elif word == "WORKDIR":
            folder = Path(rest)
            folder.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *names, target = rest.split()
            for name in names:
                shutil.copy(REPOSITORY / name, folder / target)
        elif word == "RUN":
            command = re.sub(r"--mount=\S+ ", "", rest)
            subprocess.run(["sh", "-c", command], cwd=folder, env=environment, check=True)
        else:
            assert word in ("FROM", "CMD")
    (command,) = (json.loads(rest) for word, rest in instructions() if word == "CMD")
    found = shutil.which(command[0], path=environment["PATH"])
    assert Path(found).is_relative_to(scratch / "opt")
    closed = [path for path in (scratch / "opt").rglob("*")
              if not path.is_symlink() and path.stat().st_mode & 0o444 != 0o444]  # fmt: skip
    assert closed == []
    predict(PATH=environment["PATH"], HOME=environment["HOME"])


def commands_of(heading: str) -> list[str]:
    """The first commands under a heading of docs/running.md."""
    section = (REPOSITORY / "docs" / "running.md").read_text().split(f"## {heading}\n")[1]
    return section.split("```\n")[1].splitlines()


@pytest.mark.environments
def test_without_cuda_all_versions_are_the_locked_ones(scratch, predict):
    """The documented commands, but that torch's CPU wheel comes from a folder of this machine."""
    wheels = Path(os.environ.get("PIP_FIND_LINKS", "."))
    if not list(wheels.glob(CPU_TORCH)):
        pytest.skip(f"no {CPU_TORCH} on this machine; set PIP_FIND_LINKS to its folder")
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on this machine")
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, scratch)
    shutil.copytree(REPOSITORY / "src", scratch / "src")
    *commands, last = commands_of("Without the libraries of CUDA")
    assert last.startswith("uv run --no-sync snakemake ")
    for command in commands:
        words = command.replace("--torch-backend cpu", f"--find-links {wheels}").split()
        words += ["--python", BASE_PYTHON] if words == ["uv", "venv"] else []
        # Without --python, packages could go where the tests have theirs.
        assert words[:2] != ["uv", "pip"] or words[3:5] == ["--python", ".venv"]
        subprocess.run([uv, *words[1:]], cwd=scratch, env=clean_environment(), check=True)
    listing = [uv, "pip", "list", "--quiet", "--format", "json", "--python", ".venv"]
    done = subprocess.run(listing, cwd=scratch, capture_output=True, check=True)
    found = {one["name"].lower(): one["version"] for one in json.loads(done.stdout)}
    assert found["torch"].endswith("+cpu")
    assert not [name for name in found if name.startswith(("nvidia-", "cuda-"))]
    locked = (scratch / "locked.txt").read_text()
    other = {name for name in found if f"\n{name}=={found[name]}" not in locked}
    assert other == {"torch", "bptubeformer"}
    predict(PATH=f"{scratch / '.venv' / 'bin'}:{os.environ['PATH']}")

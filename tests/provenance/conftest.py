"""A tiny finished run, as a crate that is unpacked."""

import shutil
from pathlib import Path

import pytest

from provenance.tiny import Forger, build


@pytest.fixture(scope="session")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate."""
    return build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def forger(crate: Path, tmp_path: Path) -> Forger:
    """A copy of it, and who changes it."""
    return Forger(shutil.copytree(crate, tmp_path / "crate"))

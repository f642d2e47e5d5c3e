"""The architecture: a room imports only from floors below its own, or from its own room."""

import ast

import pytest

from conftest import REPOSITORY

PACKAGE = REPOSITORY / "src" / "bptubeformer"
FLOORS = {
    "errors": -2, "texts": -2, "locks": -1,
    "atomic": 0, "kinds": -1, "sections": -1, "skeleton": 0, "fingerprint": 0, "metadata": 0,
    "claims": 0, "progress": 0, "stopping": 0, "reading": 0, "study": 0,
    "arms": 1, "questions": 1, "partition": 1, "settings": 1, "stages": 1,
    "data": 2, "models": 2, "schema": 2,
    "training": 3, "config": 3, "checks": 4,
    "evaluation": 5,
    "figures": 6, "verdict": 6,
    "provenance": 7, "classify": 7,
    "cli": 8,
}  # fmt: skip


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_go_down(path):
    mine = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if mine == "__init__":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("bptubeformer.") and room(name) != mine:
                assert FLOORS[room(name)] < FLOORS[mine], f"{path.name} imports {name}"


def test_every_room_has_a_floor():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__", "skeletons"} == set(FLOORS)

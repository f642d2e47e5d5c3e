"""Pages of docs/ that are made from the code fit the code."""

import importlib.util

import pytest

from checkout import REPOSITORY, base_config

spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "docs" / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)
AGAIN = "write it again: uv run python docs/reference.py"


def test_the_configuration_is_described_as_it_is():
    assert reference.CONFIGURATION.read_text() == reference.configuration(), AGAIN


def test_the_schema_is_that_of_the_code():
    assert reference.SCHEMA.read_text() == reference.schema_file(), AGAIN


def test_every_key_of_the_configuration_is_described():
    page = reference.CONFIGURATION.read_text()
    config = base_config()
    for section, value in config.items():
        if section not in ("arms", "runs", "studies", "categories") and isinstance(value, dict):
            assert all(f"| `{section}.{key}` |" in page for key in value), section
        assert f"`{section}" in page or f"## {section}" in page, section
    for study in config["studies"].values():
        assert all(f"| `studies.<study>.{key}` |" in page for key in study)
    for run in config["runs"].values():
        for key in run:
            assert f"| `{key}` |" in page, key


@pytest.mark.slow
def test_the_picture_shows_the_rules_as_they_are():
    graph = reference.rules()
    picture = reference.PICTURE.read_text()
    assert reference.drawn(picture) == set(graph.edges), AGAIN
    assert set(graph) <= {*reference.stage_of(), "all"}
    # What removes results makes none, and is not in the picture.
    assert set(reference.stage_of().values()) - {"leftovers"} <= set(reference.STAGES)

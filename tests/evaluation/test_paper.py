import yaml

from bptubeformer.evaluation.paper import printed
from conftest import REPOSITORY


def test_every_printed_row_is_a_run_of_the_configuration():
    runs = set(yaml.safe_load((REPOSITORY / "config.yaml").read_text())["runs"])
    for table in printed().values():
        assert set(table) <= runs


def test_printed_numbers_stand_in_one_file_only():
    """A result that agrees with the paper must have been computed."""
    needles = ["0.4926", "0.4982", "613.5", "30.5"]
    for path in (REPOSITORY / "src").rglob("*.py"):
        for needle in needles:
            assert needle not in path.read_text(), f"{path.name} holds {needle}"

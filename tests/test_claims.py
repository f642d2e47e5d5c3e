import re
from collections import Counter

import pytest

from bptubeformer import claims as module
from bptubeformer.claims import load_claims, papers_runs, printed_table, section_titles
from bptubeformer.verdict.judge import CONTRADICTED, FOLLOWED, NOT_STATED, UNSUPPORTED
from bptubeformer.verdict.outcome import TESTS
from checkout import base_config
from conftest import REAL_DATA, REPOSITORY

CLAIMS = load_claims()
COUNTS = {"M": 17, "R": 19, "D": 4, "B": 2, "E": 4, "S": 10, "T": 9, "Q": 13, "F": 7, "N": 13,
          "L": 9, "X": 8, "U": 4, "K": 25, "G": 20}  # fmt: skip


def test_every_claim_is_there_once():
    assert Counter(name[0] for name in {claim.id for claim in CLAIMS}) == COUNTS
    for letter, count in COUNTS.items():
        ids = list(dict.fromkeys(claim.id for claim in CLAIMS if claim.id[0] == letter))
        assert ids == [f"{letter}{number:02d}" for number in range(1, count + 1)]
    assert list(section_titles()) == list(COUNTS)


def test_every_claim_of_the_specification_is_there():
    specification = REAL_DATA.parent / "spec" / "claims.md"
    if not specification.exists():
        pytest.skip("the specification of the claims is not on this machine")
    ids = re.findall(r"^\| ([A-Z]\d\d) \|", specification.read_text(), re.M)
    # Those that the list lacks.
    missing = {*(f"R{number}" for number in range(16, 20)), "K25"}
    assert {claim.id for claim in CLAIMS} - missing == set(ids)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id + claim.part)
def test_a_claim_has_a_test_or_a_reason(claim):
    assert claim.statement
    assert claim.where
    assert claim.test or claim.reason
    if claim.test:
        assert claim.test in TESTS
    kinds = {"K": {CONTRADICTED, UNSUPPORTED, FOLLOWED}, "G": {NOT_STATED}}
    assert claim.verdict in kinds.get(claim.id[0], {None, UNSUPPORTED, CONTRADICTED})
    assert claim.verdict is None or claim.reason
    # What decides nothing may only stand beside a verdict that is given.
    assert claim.verdict or not (claim.test or "").endswith(("_here", "_of_a_segment"))


def test_every_test_is_a_claims():
    assert {claim.test for claim in CLAIMS if claim.test} == set(TESTS)


def test_keys_of_choices_are_keys_of_the_configuration():
    config = base_config()

    def has(settings, key):
        if key in settings:
            return True
        return any(
            has(inside, key.removeprefix(f"{name}."))
            for name, inside in settings.items()
            if key.startswith(f"{name}.") and isinstance(inside, dict)
        )

    keys = [key for claim in CLAIMS for key in claim.keys]
    assert len(keys) > 15
    for key in keys:
        assert has(config, key), key


def test_runs_of_claims_are_runs_of_the_configuration():
    config = base_config()
    assert list(papers_runs()) == config["studies"]["paper"]["runs"]
    known = set(config["runs"])
    for claim in CLAIMS:
        named = [claim.arguments.get(key) for key in ("run", "baseline", "than")]
        for key in ("runs", "among", "but"):
            named += claim.arguments.get(key) or []
        named += claim.arguments.get("tubelets", {})
        assert {name for name in named if name} <= known, claim.id


def test_printed_tables():
    table = printed_table(1)
    assert table["BPT-V2"] == {"mean": 0.4982, "std": 0.0004}
    assert table["M1.2"] == {"mean": 0.3820, "std": 0.0050}
    assert len(table) == 9
    assert printed_table(2) == {
        "ST-Tran": {"macs": 613.5, "params": 9.5},
        "BPT-V2": {"macs": 30.5, "params": 4.9},
    }


def test_digits_of_a_printed_number_are_its_precision():
    by_id = {claim.id: claim for claim in CLAIMS}
    assert (by_id["T07"].value, by_id["T07"].digits) == (0.489, 4)
    assert (by_id["X01"].digits, by_id["X03"].digits) == (1, 0)
    with pytest.raises(ValueError, match="M02 has no printed number"):
        _ = by_id["M02"].value


def test_printed_numbers_stand_in_one_file_only():
    """A result that agrees with the paper must have been computed."""
    needles = ["0.4926", "0.4982", "613.5", "30.5"]
    for path in (REPOSITORY / "src").rglob("*.py"):
        for needle in needles:
            assert needle not in path.read_text(), f"{path.name} holds {needle}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{id: A01, where: x, statment: y}", "A01.*statment"),
        (", ".join(["{id: A01, where: x, statement: y}"] * 2), "A01 is used twice"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(tmp_path, monkeypatch, text, words):
    (tmp_path / "claims.yaml").write_text(f"sections: [{{title: A, claims: [{text}]}}]")
    monkeypatch.setattr(module, "FILE", tmp_path / "claims.yaml")
    monkeypatch.setattr(module, "_file", module._file.__wrapped__)
    with pytest.raises(ValueError, match=words):
        load_claims.__wrapped__()

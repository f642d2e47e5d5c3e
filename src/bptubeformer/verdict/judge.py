"""Every claim of the paper against what this run of the workflow computed.

A test is a function of a claim and the evidence that says whether the claim holds *here*. Tests of
results mean something on the paper's dataset alone: on another one their numbers are shown, and
the verdict is ``not testable``. The rules behind the tests are in docs/fidelity.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bptubeformer.claims import Claim, load_claims
from bptubeformer.verdict import accuracy, attention, classes, complexity, models, settings
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import OF_RESULTS, TESTS

REPRODUCED = "reproduced"
DIFFERS = "differs"
RECONSTRUCTION = "reconstruction"
CONTRADICTED = "contradicted by the paper itself"
NOT_STATED = "not stated in the paper"
NOT_TESTABLE = "not testable"
NOT_RUN = "not run"
VERDICTS = (
    REPRODUCED, DIFFERS, RECONSTRUCTION, CONTRADICTED, NOT_STATED, NOT_TESTABLE, NOT_RUN,
)  # fmt: skip

MODULES = (accuracy, attention, classes, complexity, models, settings)
"""Where the tests are; importing them registers them."""


def verdict_table(evidence: Evidence) -> pd.DataFrame:
    """One row a claim.

    Returns:
        columns id, where, statement, paper, here, difference, verdict, reason, evidence.
    """
    return pd.DataFrame([judge(claim, evidence) for claim in load_claims()])


def judge(claim: Claim, evidence: Evidence) -> dict[str, Any]:
    """The verdict on one claim, as a row of the table."""
    row = {
        "id": claim.id,
        "where": claim.where,
        "statement": claim.statement,
        "paper": claim.printed or "",
        "here": _settings(claim.keys, evidence.config),
        "difference": None,
        "verdict": claim.verdict or NOT_TESTABLE,
        "reason": claim.reason or "",
        "evidence": "config.yaml" if claim.keys else "",
    }
    if claim.test is None:
        return row
    elsewhere = claim.test in OF_RESULTS and not evidence.on_papers_dataset
    if elsewhere and not claim.verdict:
        about = f"the claim is about HR-Crime, this run is on {evidence.dataset}"
        row["reason"] = f"another dataset: {about}"
    try:
        outcome = TESTS[claim.test](claim, evidence)
    except NotRun as missing:
        if elsewhere or claim.verdict:
            return row
        return {**row, "verdict": NOT_RUN, "reason": str(missing)}
    row |= {"here": outcome.here, "evidence": outcome.file}
    if elsewhere or claim.verdict:
        return row
    verdict = REPRODUCED if outcome.holds else DIFFERS
    if claim.test == accuracy.reconstruction.__name__:
        verdict = RECONSTRUCTION
    return {**row, "difference": outcome.difference, "verdict": verdict}


def _settings(keys: Sequence[str], config: Mapping[str, Any]) -> str:
    """``key = value`` of each key of the configuration."""
    shown = []
    for key in keys:
        value = _lookup(config, key)
        if isinstance(value, Mapping):
            value = ", ".join(value)
        shown.append(f"{key} = {value}")
    return "; ".join(shown)


def _lookup(config: Mapping[str, Any], key: str) -> Any:
    """Value of a dotted key whose parts may have dots themselves, as ``runs.M1.2.resolution``."""
    if key in config:
        return config[key]
    for name, inside in config.items():
        if key.startswith(f"{name}.") and isinstance(inside, Mapping):
            return _lookup(inside, key.removeprefix(f"{name}."))
    return "left out"

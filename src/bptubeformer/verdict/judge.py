"""Every claim of the paper against what this run of the workflow computed.

A test is a function of a claim and the evidence; it says whether the claim holds *here*, does not,
or cannot be told. Tests of results are judged where the gate is open (``gate``): on the paper's
dataset, with the paper's settings. Elsewhere their numbers are shown and the verdict is
``not testable``. The rules behind the tests are in docs/fidelity.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bptubeformer.claims import Claim, load_claims
from bptubeformer.verdict import (
    accuracy_claims,
    attention_claims,
    class_claims,
    complexity_claims,
    model_claims,
    setting_claims,
)
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import KINDS, TESTS, Kind, Outcome

REPRODUCED = "reproduced"
DIFFERS = "differs"
INCONCLUSIVE = "inconclusive"
RECONSTRUCTION = "reconstruction"
FOLLOWED = "followed"
CONTRADICTED = "contradicted by the paper itself"
UNSUPPORTED = "unsupported"
NOT_STATED = "not stated in the paper"
NOT_TESTABLE = "not testable"
NOT_RUN = "not run"
VERDICTS = (
    REPRODUCED, DIFFERS, INCONCLUSIVE, RECONSTRUCTION, FOLLOWED, CONTRADICTED, UNSUPPORTED,
    NOT_STATED, NOT_TESTABLE, NOT_RUN,
)  # fmt: skip

GATE = "about HR-Crime with the paper's settings"
"""What the reason of a claim that is not judged begins with."""
MODULES = (
    accuracy_claims, attention_claims, class_claims, complexity_claims, model_claims,
    setting_claims,
)  # fmt: skip
"""Where the tests are; importing them registers them."""


def verdict_table(evidence: Evidence) -> pd.DataFrame:
    """One row a part of a claim.

    Returns:
        columns id, part, where, statement, paper, here, difference, resolvable, verdict, reason,
        evidence, leading.
    """
    return pd.DataFrame([judge(claim, evidence) for claim in load_claims()])


def judge(claim: Claim, evidence: Evidence) -> dict[str, Any]:
    """The verdict on one part of a claim, as a row of the table."""
    row = {
        "id": claim.id,
        "part": claim.part,
        "where": claim.where,
        "statement": claim.statement,
        "paper": claim.printed or "",
        "here": _settings(claim.keys, evidence.config),
        "difference": None,
        "resolvable": None,
        "verdict": claim.verdict or NOT_TESTABLE,
        "reason": claim.reason or "",
        "evidence": "config.yaml" if claim.keys else "",
        "leading": claim.leading,
    }
    if claim.test is None:
        return row
    closed: Sequence[str] = ()
    try:
        if KINDS[claim.test] is Kind.RESULTS:
            closed = evidence.closed_by
        outcome = TESTS[claim.test](claim, evidence)
    except NotRun as missing:
        if claim.verdict or closed:
            return row | ({} if claim.verdict else {"reason": _closed(closed)})
        return {**row, "verdict": NOT_RUN, "reason": str(missing)}
    row |= {"here": outcome.here, "evidence": outcome.file}
    if claim.verdict:
        return row
    if closed:
        return {**row, "resolvable": outcome.resolvable, "reason": _closed(closed)}
    guess = f"rests on {claim.rests_on}" if claim.rests_on else ""
    return {
        **row,
        "difference": outcome.difference,
        "resolvable": outcome.resolvable,
        "verdict": _verdict(claim, outcome),
        "reason": "; ".join(filter(None, [outcome.note, guess, claim.reason])),
    }


def _verdict(claim: Claim, outcome: Outcome) -> str:
    """Turn the outcome of a test into a verdict."""
    if claim.reconstruction:
        return RECONSTRUCTION
    if outcome.holds is None:
        return INCONCLUSIVE
    if not outcome.holds:
        return DIFFERS
    return FOLLOWED if KINDS[claim.test or ""] is Kind.CONSTRUCTION else REPRODUCED


def _closed(reasons: Sequence[str]) -> str:
    return f"{GATE}; here: {'; '.join(reasons)}"


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

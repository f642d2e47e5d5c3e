"""Claims about the recall of classes (paper, Fig. 3)."""

import numpy as np

from bptubeformer.claims import Claim
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Outcome, decides

POINTS = 5
"""Percentage points by which the recall of a class may differ from the printed one."""


def _recalls_file(evidence: Evidence) -> str:
    return f"{evidence.scope}/recalls.csv"


def _recall(evidence: Evidence, run: str, category: str) -> float:
    """Recall of a class in per cent."""
    recalls = evidence.recalls_of(run)
    if category not in recalls.index:
        raise NotRun(f"{evidence.dataset} has no test segment of {category}")
    return 100 * float(recalls[category])


@decides(results=True)
def classes_above(claim: Claim, evidence: Evidence) -> Outcome:
    """As many classes as printed have a recall above so many per cent."""
    above = int(
        (100 * evidence.recalls_of(claim.arguments["run"]) > claim.arguments["percent"]).sum()
    )
    here = f"{above} of {len(evidence.recalls)} classes"
    return Outcome(above == claim.value, here, _recalls_file(evidence), above - claim.value)


@decides(results=True)
def extreme_class(claim: Claim, evidence: Evidence) -> Outcome:
    """A class has the lowest or highest recall, about the printed one, also under the baseline.

    The last two where the claim says so.
    """
    run, category = claim.arguments["run"], claim.arguments["category"]
    recalls = evidence.recalls_of(run)
    found = recalls.idxmin() if claim.arguments["extreme"] == "lowest" else recalls.idxmax()
    own = _recall(evidence, run, category)
    difference = own - claim.value if claim.printed else None
    holds = found == category and (difference is None or abs(difference) <= POINTS)
    extreme = f"{claim.arguments['extreme']}: {found} {100 * recalls[found]:.0f} %"
    if baseline := claim.arguments.get("baseline"):
        best = evidence.recalls_of(baseline)
        of_baseline = best.idxmin() if claim.arguments["extreme"] == "lowest" else best.idxmax()
        holds = holds and of_baseline == category
        extreme += f", of {baseline} {of_baseline} {100 * best[of_baseline]:.0f} %"
    here = f"{extreme}; {category} {own:.0f} %"
    return Outcome(bool(holds), here, _recalls_file(evidence), difference)


@decides(results=True)
def class_recall(claim: Claim, evidence: Evidence) -> Outcome:
    """A class has about the printed recall, and about the baseline's, which is lower."""
    category = claim.arguments["category"]
    own = _recall(evidence, claim.arguments["run"], category)
    before = _recall(evidence, claim.arguments["baseline"], category)
    difference = own - claim.value
    here = f"{category} {own:.0f} %, {claim.arguments['baseline']} {before:.0f} %"
    holds = own > before and abs(difference) <= POINTS
    holds = holds and abs(before - claim.arguments["percent_of_baseline"]) <= POINTS
    return Outcome(holds, here, _recalls_file(evidence), difference)


@decides(results=True)
def classes_improve(claim: Claim, evidence: Evidence) -> Outcome:
    """Each class has a higher recall than under the baseline."""
    found = []
    for category in claim.arguments["categories"]:
        own = _recall(evidence, claim.arguments["run"], category)
        found.append((category, own - _recall(evidence, claim.arguments["baseline"], category)))
    here = ", ".join(f"{category} {difference:+.0f} points" for category, difference in found)
    return Outcome(all(d > 0 for _, d in found), here, _recalls_file(evidence))


@decides(results=True)
def class_reduced(claim: Claim, evidence: Evidence) -> Outcome:
    """The baseline's recall of a class is, rounded, as many times ours as printed."""
    category = claim.arguments["category"]
    own = _recall(evidence, claim.arguments["run"], category)
    before = _recall(evidence, claim.arguments["baseline"], category)
    here = f"{category} {own:.0f} %, {claim.arguments['baseline']} {before:.0f} %"
    times = before / own if own else np.inf
    difference = times - claim.value if own else None
    return Outcome(
        bool(own and round(times) == claim.value), here, _recalls_file(evidence), difference
    )


@decides(results=True)
def recalls_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Recalls of some classes; decides nothing."""
    run = claim.arguments["run"]
    found = [f"{c} {_recall(evidence, run, c):.0f} %" for c in claim.arguments["categories"]]
    return Outcome(True, f"{run}: {', '.join(found)}", _recalls_file(evidence))

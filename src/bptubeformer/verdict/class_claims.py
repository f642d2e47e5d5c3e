"""Claims about the recall of classes (paper, Fig. 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bptubeformer.claims import Claim
from bptubeformer.evaluation.uncertainty import Estimate
from bptubeformer.verdict.accuracy_claims import closest, interval_text
from bptubeformer.verdict.evidence import COUNTS, Evidence, NotRun
from bptubeformer.verdict.outcome import Kind, Outcome, decides
from bptubeformer.verdict.rules import largest_resolvable

ROUNDING = 1e-9
"""A recall of exactly 50 % is not above 50 %, and sums of shares are rounded."""


def _recall(evidence: Evidence, weights: Mapping[tuple[str, str], float]) -> Estimate:
    """A weighted sum of recalls, by run and category."""
    for run, category in weights:
        evidence.check_trained(run)
        if category not in evidence.counts.categories:
            raise NotRun(f"{evidence.study.dataset} has no class {category}")
    return evidence.counts.recall(weights)


def _percent(estimate: Estimate, form: str = ".1f") -> str:
    share = replace(
        estimate,
        value=100 * estimate.value,
        video_variance=1e4 * estimate.video_variance,
        training_variance=1e4 * estimate.training_variance,
    )
    return f"{interval_text(share, form)} %"


def _ordered(evidence: Evidence, found: Sequence[tuple[str, Estimate]]) -> Outcome:
    """All these differences are above 0."""
    estimates = [estimate for _, estimate in found]
    holds, note = evidence.rules.positive(estimates)
    here = closest([(e, f"{text} {_percent(e, '+.1f')}") for text, e in found])
    least = largest_resolvable(estimates)
    return Outcome(holds, here, COUNTS, None, least, note)


@decides(Kind.RESULTS)
def classes_above(claim: Claim, evidence: Evidence) -> Outcome:
    """As many classes as printed have a recall above so many per cent, each class decided."""
    run, share = claim.arguments["run"], claim.arguments["percent"] / 100
    evidence.check_trained(run)
    names = evidence.counts.categories
    found = [_recall(evidence, {(run, name): 1.0}) for name in names]
    if note := evidence.rules.too_few(found):
        return Outcome(None, "", COUNTS, note=note)
    ends = [estimate.interval(1 - 0.05 / len(names)) for estimate in found]
    above, below = (
        sum(low > share for low, _ in ends),
        sum(high <= share + ROUNDING for _, high in ends),
    )
    count = int(claim.value)
    holds = above == count if above + below == len(names) else None
    if above > count or below > len(names) - count:
        holds = False
    shown = sum(estimate.value > share for estimate in found)
    here = f"{shown} of {len(names)} classes; decided: {above} above, {below} not above"
    return Outcome(holds, here, COUNTS, shown - claim.value, largest_resolvable(found))


@decides(Kind.RESULTS)
def extreme_class(claim: Claim, evidence: Evidence) -> Outcome:
    """A class has a lower, or higher, recall than each other class."""
    run, category = claim.arguments["run"], claim.arguments["category"]
    evidence.check_trained(run)
    sign = 1.0 if claim.arguments["extreme"] == "highest" else -1.0
    found = [
        (f"{category} - {other}" if sign > 0 else f"{other} - {category}",
         _recall(evidence, {(run, category): sign, (run, other): -sign}))
        for other in evidence.counts.categories if other != category
    ]  # fmt: skip
    return _ordered(evidence, found)


@decides(Kind.RESULTS)
def class_recall(claim: Claim, evidence: Evidence) -> Outcome:
    """A class has the printed recall, within the margin."""
    run, category = claim.arguments["run"], claim.arguments["category"]
    share = claim.arguments["percent"] / 100
    estimate = _recall(evidence, {(run, category): 1.0})
    holds, note = evidence.rules.within(estimate, share)
    here = f"{run}, {category} {_percent(estimate)}"
    difference = 100 * (estimate.value - share)
    least = largest_resolvable([estimate])
    return Outcome(holds, here, COUNTS, difference, least, note)


@decides(Kind.RESULTS)
def class_improves(claim: Claim, evidence: Evidence) -> Outcome:
    """A class has a higher recall than under another run: paired difference."""
    run, than, category = (claim.arguments[key] for key in ("run", "than", "category"))
    paired = _recall(evidence, {(run, category): 1.0, (than, category): -1.0})
    return _ordered(evidence, [(f"{category}, {run} - {than}", paired)])


@decides(Kind.RESULTS)
def class_times(claim: Claim, evidence: Evidence) -> Outcome:
    """The recall of a class under one run is, rounded, as many times that under another."""
    run, than, category = (claim.arguments[key] for key in ("run", "than", "category"))
    ends = [claim.value - 0.5, claim.value + 0.5]
    low, high = (
        _recall(evidence, {(than, category): sign, (run, category): -sign * end})
        for sign, end in zip((1.0, -1.0), ends, strict=True)
    )
    holds, note = evidence.rules.positive([low, high])
    recalls = [_recall(evidence, {(name, category): 1.0}) for name in (than, run)]
    shown = ", ".join(
        f"{name} {_percent(estimate)}" for name, estimate in zip((than, run), recalls, strict=True)
    )
    return Outcome(
        holds, f"{category}: {shown}", COUNTS, None,
        largest_resolvable(recalls), note,
    )  # fmt: skip


@decides(Kind.RESULTS)
def recalls_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show the recalls of some classes; decides nothing."""
    run = claim.arguments["run"]
    found = [
        f"{name} {interval_text(_recall(evidence, {(run, name): 1.0}), '.2f')}"
        for name in claim.arguments["categories"]
    ]
    return Outcome(None, f"{run}: {', '.join(found)}", COUNTS)

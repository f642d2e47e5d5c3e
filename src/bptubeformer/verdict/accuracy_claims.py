"""Claims about balanced accuracy (paper, Table 1 and section 4)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from bptubeformer.claims import Claim, papers_runs, printed_table
from bptubeformer.evaluation.learned import threshold
from bptubeformer.evaluation.tables import spread
from bptubeformer.evaluation.uncertainty import Estimate
from bptubeformer.verdict.evidence import ACCURACY, COUNTS, METRICS_TABLE, Evidence, NotRun
from bptubeformer.verdict.outcome import Kind, Outcome, decides
from bptubeformer.verdict.rules import largest_resolvable


def interval_text(estimate: Estimate, form: str = ".4f") -> str:
    """A number with its 95 % interval, in words."""
    low, high = estimate.interval()
    ends = f"{low:{form}} to {high:{form}}" if np.isfinite(estimate.error) else "no interval"
    return f"{estimate.value:{form}} ({ends})"


def _difference(evidence: Evidence, run: str, minus: str) -> tuple[Estimate, str]:
    """Paired difference on the trajectories that both test, and in words."""
    evidence.check_trained(run, minus)
    paired = evidence.counts.balanced_accuracy(run, minus)
    text = f"{run} - {minus} = {interval_text(paired, '+.4f')}"
    return paired, f"{text} on {paired.trajectories} trajectories"


def _printed(claim: Claim, pair: tuple[str, str]) -> float | None:
    """The paper's own difference of two runs, from Table 1 or its text; None where it has none."""
    table = printed_table(1)
    if set(pair) <= set(table):
        return table[pair[0]]["mean"] - table[pair[1]]["mean"]
    percent = claim.arguments.get("percent")
    return None if percent is None else percent / 100


def _ordered(claim: Claim, evidence: Evidence, pairs: Sequence[tuple[str, str]]) -> Outcome:
    """Each first run of a pair is better than the second."""
    found = [_difference(evidence, *pair) for pair in pairs]
    estimates = [estimate for estimate, _ in found]
    holds, note = evidence.rules.positive(estimates)
    if holds is None and not evidence.rules.too_few(estimates):
        sizes = [_printed(claim, pair) for pair in pairs]
        known = [(size, e) for size, e in zip(sizes, estimates, strict=True) if size]
        if known:
            size, estimate = min(known, key=lambda pair: abs(pair[0]))
            note = "; ".join(filter(None, [note, evidence.rules.needed_for(estimate, size)]))
    least = largest_resolvable(estimates)
    return Outcome(holds, closest(found), COUNTS, None, least, note)


def closest(found: Sequence[tuple[Estimate, str]], shown: int = 3) -> str:
    """Put comparisons in words; of many, those that speak least for the claim."""
    worst = sorted(range(len(found)), key=lambda place: found[place][0].interval()[0])[:shown]
    of = f" (least clear of {len(found)} pairs)" if len(found) > shown else ""
    return "; ".join(found[place][1] for place in sorted(worst)) + of


@decides(Kind.RESULTS)
def accuracy(claim: Claim, evidence: Evidence) -> Outcome:
    """The 95 % interval lies within the printed mean +- margin."""
    run = claim.arguments["run"]
    evidence.check_trained(run)
    estimate = evidence.counts.balanced_accuracy(run)
    holds, note = evidence.rules.within(estimate, claim.value)
    row = evidence.accuracy_of(run)
    shown = spread(row["balanced_accuracy_mean"], row["balanced_accuracy_std"])
    here = f"{shown}; {interval_text(estimate)}"
    return Outcome(
        holds, here, ACCURACY, estimate.value - claim.value,
        largest_resolvable([estimate]), note,
    )  # fmt: skip


@decides(Kind.RESULTS)
def lower(claim: Claim, evidence: Evidence) -> Outcome:
    """Runs have a lower balanced accuracy than another: paired differences."""
    than = claim.arguments["than"]
    return _ordered(claim, evidence, [(than, run) for run in claim.arguments["runs"]])


@decides(Kind.RESULTS)
def lower_by(claim: Claim, evidence: Evidence) -> Outcome:
    """The paired difference is so many per cent, within the margin."""
    paired, here = _difference(evidence, claim.arguments["than"], claim.arguments["run"])
    share = claim.arguments["percent"] / 100
    holds, note = evidence.rules.within(paired, share)
    difference = 100 * (paired.value - share)
    least = largest_resolvable([paired])
    return Outcome(holds, here, COUNTS, difference, least, note)


@decides(Kind.RESULTS)
def higher(claim: Claim, evidence: Evidence) -> Outcome:
    """A run has a higher balanced accuracy than another: "improves"."""
    return _ordered(claim, evidence, [(claim.arguments["run"], claim.arguments["than"])])


@decides(Kind.RESULTS)
def highest(claim: Claim, evidence: Evidence) -> Outcome:
    """A run is better than each other one."""
    run = claim.arguments["run"]
    return _ordered(claim, evidence, [(run, o) for o in claim.arguments["among"] if o != run])


@decides(Kind.RESULTS)
def lowest(claim: Claim, evidence: Evidence) -> Outcome:
    """Each other run is better than this one."""
    run = claim.arguments["run"]
    return _ordered(claim, evidence, [(o, run) for o in claim.arguments["among"] if o != run])


@decides(Kind.RESULTS)
def falls(claim: Claim, evidence: Evidence) -> Outcome:
    """Each run is better than the next one."""
    runs = claim.arguments["runs"]
    return _ordered(claim, evidence, list(pairwise(runs)))


@decides(Kind.RESULTS)
def similar(claim: Claim, evidence: Evidence) -> Outcome:
    """Two-sided equivalence of two runs: the interval of their difference within +- margin."""
    run, baseline = claim.arguments["run"], claim.arguments["baseline"]
    paired, here = _difference(evidence, run, baseline)
    holds, note = evidence.rules.within(paired)
    if holds is False:
        note = f"not similar: {run} is {'better' if note == 'higher' else 'worse'}"
    least = largest_resolvable([paired])
    return Outcome(holds, here, COUNTS, None, least, note)


@decides(Kind.RESULTS)
def all_learned(claim: Claim, evidence: Evidence) -> Outcome:
    """Every run of the paper has learned, but for M1.2, which is a reconstruction."""
    runs = [run for run in papers_runs() if run not in claim.arguments["but"]]
    rows = pd.DataFrame([evidence.accuracy_of(run) for run in runs])
    failed = list(rows.index[~rows["learned"].astype(bool)])
    estimates = {run: evidence.counts.balanced_accuracy(run) for run in runs}
    level = 1 - 0.05 / len(runs)
    least = threshold(int(rows["classes"].max()))
    refuted = [run for run in failed if estimates[run].interval(level)[1] < least]
    here = f"{len(runs) - len(failed)} of {len(runs)} runs learned"
    here += f"; not: {', '.join(failed)}" if failed else ""
    note = f"decided below {least:.4f}: {', '.join(refuted)}" if refuted else ""
    holds = True if not failed else False if refuted else None
    return Outcome(holds, here, f"{ACCURACY}, tables/folds.csv", note=note)


@decides(Kind.RESULTS)
def accuracy_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show the balanced accuracy of runs; decides nothing."""
    shown = [f"{run} {evidence.mean_of(run):.4f}" for run in claim.arguments["runs"]]
    return Outcome(None, ", ".join(shown), ACCURACY)


@decides(Kind.RESULTS)
def common_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show runs on the trajectories that all runs test, beside their own; decides nothing."""
    rows = [evidence.accuracy_of(run) for run in claim.arguments["runs"]]
    shown = [
        f"{row.name} {row['balanced_accuracy_mean']:.4f} on {row['trajectories']} trajectories, "
        f"{row['balanced_accuracy_common']:.4f} on the {row['common_trajectories']} of all runs"
        for row in rows
    ]
    return Outcome(None, "; ".join(shown), ACCURACY)


@decides(Kind.RESULTS)
def difference_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show the difference of two runs; decides nothing."""
    _, here = _difference(evidence, claim.arguments["run"], claim.arguments["baseline"])
    return Outcome(None, here, COUNTS)


@decides(Kind.RESULTS)
def deviation_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show the deviations of a run over folds and seeds; decides nothing."""
    row = evidence.accuracy_of(claim.arguments["run"])
    here = f"over {row['folds']} folds {row['balanced_accuracy_std']:.4f}"
    if row["seeds"] > 1:
        here += f", over {row['seeds']} seeds {row['balanced_accuracy_std_seeds']:.4f}"
    return Outcome(None, here, ACCURACY)


@decides(Kind.RESULTS)
def metrics_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show all metrics of a run by segment; decides nothing."""
    file = METRICS_TABLE
    table = evidence.table(file)
    chosen = table[
        (table["run"] == claim.arguments["run"])
        & (table["protocol"] == evidence.protocol)
        & (table["unit"] == "segment")
    ]
    if chosen.empty:
        raise NotRun(f"{claim.arguments['run']} was not trained")
    values = ", ".join(
        f"{row.metric.replace('_', ' ')} {row.mean:.4f}" for row in chosen.itertuples()
    )
    return Outcome(None, values, file)

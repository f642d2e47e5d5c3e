"""Claims about balanced accuracy (paper, Table 1 and section 4)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bptubeformer.claims import Claim, papers_runs
from bptubeformer.evaluation.tables import ranges, spread
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Outcome, decides

STRONG = -0.5
"""Rank correlation from which on "shorter is better" is taken to hold."""
NEARLY = 0.005
"""Differences of balanced accuracy below this round to 0 %, the paper's own precision in words."""


def _spread(row: pd.Series) -> str:
    (interval,) = ranges([row["interval_low"]], [row["interval_high"]])
    return f"{spread(row['balanced_accuracy_mean'], row['balanced_accuracy_std'])} ({interval})"


def _difference(evidence: Evidence, run: str, baseline: str) -> tuple[float, str]:
    """Difference of two means, and in words with its interval where the tables have one."""
    difference = evidence.mean_of(run) - evidence.mean_of(baseline)
    here = f"{run} - {baseline} = {difference:+.4f}"
    if evidence.config["statistics"]["baseline"] == baseline:
        row = evidence.accuracy_of(run)
        (interval,) = ranges([row["difference_low"]], [row["difference_high"]], "+.4f")
        here += f" ({interval})"
    return difference, here


def _each(evidence: Evidence, runs: Sequence[str]) -> str:
    return ", ".join(f"{run} {evidence.mean_of(run):.4f}" for run in runs)


@decides(results=True)
def accuracy(claim: Claim, evidence: Evidence) -> Outcome:
    """The printed mean lies within the 95 % interval over videos of the mean here."""
    row = evidence.accuracy_of(claim.arguments["run"])
    holds = row["interval_low"] <= claim.value <= row["interval_high"]
    difference = row["balanced_accuracy_mean"] - claim.value
    return Outcome(bool(holds), _spread(row), evidence.accuracy_file, difference)


@decides(results=True)
def reconstruction(claim: Claim, evidence: Evidence) -> Outcome:
    """As ``accuracy``, of a model whose definition is not the paper's: never "reproduced"."""
    return accuracy(claim, evidence)


@decides(results=True)
def highest(claim: Claim, evidence: Evidence) -> Outcome:
    """The run has the highest mean among some, or among all."""
    run = claim.arguments["run"]
    runs = claim.arguments["among"] or papers_runs()
    best = max([run, *runs], key=evidence.mean_of)
    difference = evidence.mean_of(run) - claim.value if claim.printed else None
    here = f"highest: {_each(evidence, [best])}; {_each(evidence, [run])}"
    return Outcome(best == run, here, evidence.accuracy_file, difference)


@decides(results=True)
def lowest(claim: Claim, evidence: Evidence) -> Outcome:
    """The run has the lowest mean among some."""
    run = claim.arguments["run"]
    least = min([run, *claim.arguments["among"]], key=evidence.mean_of)
    here = f"lowest: {_each(evidence, [least])}; {_each(evidence, [run])}"
    return Outcome(least == run, here, evidence.accuracy_file)


@decides(results=True)
def falls(claim: Claim, evidence: Evidence) -> Outcome:
    """Each run has a lower mean than the one before."""
    runs = claim.arguments["runs"]
    means = np.array([evidence.mean_of(run) for run in runs])
    return Outcome(bool((np.diff(means) < 0).all()), _each(evidence, runs), evidence.accuracy_file)


@decides(results=True)
def shorter_is_better(claim: Claim, evidence: Evidence) -> Outcome:
    """Means of runs fall with the length of their kernel, by rank correlation, and so do tokens."""
    runs = claim.arguments["runs"]
    means = pd.Series([evidence.mean_of(run) for run in runs])
    rho = means.corr(pd.Series(range(len(runs))), method="spearman")
    encoders = [evidence.transformers_of(run).iloc[0] for run in runs]
    tokens = [int(encoder["tokens"]) for encoder in encoders]
    here = f"rank correlation of kernel and balanced accuracy {rho:.2f}; tubelets {tokens}"
    holds = rho <= STRONG and tokens == sorted(tokens, reverse=True)
    return Outcome(bool(holds), here, f"{evidence.accuracy_file}, tables/transformers.csv")


@decides(results=True)
def lower(claim: Claim, evidence: Evidence) -> Outcome:
    """Runs have a lower mean than another; by so many per cent when rounded, where given."""
    than = claim.arguments["than"]
    reference = evidence.mean_of(than)
    differences = [evidence.mean_of(run) - reference for run in claim.arguments["runs"]]
    percent = claim.arguments.get("percent")
    holds = all(
        difference < 0 if percent is None else round(-100 * difference) == percent
        for difference in differences
    )
    here = ", ".join(
        f"{run} {difference:+.4f}"
        for run, difference in zip(claim.arguments["runs"], differences, strict=True)
    )
    return Outcome(holds, f"{here} against {than} {reference:.4f}", evidence.accuracy_file)


@decides(results=True)
def matches(claim: Claim, evidence: Evidence) -> Outcome:
    """The run's mean is not lower than the baseline's, to the percent."""
    difference, here = _difference(evidence, claim.arguments["run"], claim.arguments["baseline"])
    return Outcome(difference >= -NEARLY, here, evidence.accuracy_file)


@decides(results=True)
def matches_at_less_cost(claim: Claim, evidence: Evidence) -> Outcome:
    """As ``matches``, for every run, and each takes less than half of the baseline's MACs."""
    baseline, found = claim.arguments["baseline"], []
    cost_of_baseline = evidence.complexity_of(baseline)["macs_thop"]
    for run in claim.arguments["runs"]:
        ratio = cost_of_baseline / evidence.complexity_of(run)["macs_thop"]
        difference, here = _difference(evidence, run, baseline)
        holds = difference >= -NEARLY and ratio > 2
        found.append((holds, f"{here} at {ratio:.1f} times fewer MACs"))
    here = "; ".join(text for _, text in found)
    file = f"{evidence.accuracy_file}, tables/complexity.csv"
    return Outcome(all(holds for holds, _ in found), here, file)


@decides(results=True)
def above_chance(claim: Claim, evidence: Evidence) -> Outcome:
    """The interval of every run of the paper lies above chance."""
    table = pd.DataFrame([evidence.accuracy_of(run) for run in papers_runs()])
    chance = 1 / table["classes"].max()
    lowest_end = table["interval_low"].idxmin()
    here = (
        f"chance {chance:.4f}; lowest interval begins at {table['interval_low'].min():.4f} "
        f"({lowest_end})"
    )
    holds = bool((table["interval_low"] > chance).all())
    return Outcome(holds, here, evidence.accuracy_file)


@decides(results=True)
def accuracy_here(claim: Claim, evidence: Evidence) -> Outcome:
    """What the runs reach; decides nothing."""
    return Outcome(True, _each(evidence, claim.arguments["runs"]), evidence.accuracy_file)


@decides(results=True)
def difference_here(claim: Claim, evidence: Evidence) -> Outcome:
    """The difference of two runs; decides nothing."""
    return matches(claim, evidence)


@decides(results=True)
def deviation_here(claim: Claim, evidence: Evidence) -> Outcome:
    """The deviations of a run over folds and seeds; decides nothing."""
    row = evidence.accuracy_of(claim.arguments["run"])
    here = f"over {row['folds']} folds {row['balanced_accuracy_std']:.4f}"
    if row["seeds"] > 1:
        here += f", over {row['seeds']} seeds {row['balanced_accuracy_std_seeds']:.4f}"
    return Outcome(True, here, evidence.accuracy_file)


@decides(results=True)
def metrics_here(claim: Claim, evidence: Evidence) -> Outcome:
    """All metrics of a run by segment; decides nothing."""
    file = f"{evidence.scope}/metrics.csv"
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
    return Outcome(True, values, file)

"""Claims about MACs and parameters (paper, Table 2 and section 4)."""

from dataclasses import replace

from bptubeformer.claims import Claim
from bptubeformer.evaluation.tables import AS_PRINTED
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Kind, Outcome, decides

COMPLEXITY = "tables/complexity.csv"


def _printed(claim: Claim, here: float, unit: str = "") -> Outcome:
    """A number that has to agree to the last printed digit."""
    holds = round(here, claim.digits) == claim.value
    return Outcome(holds, f"{here:.{claim.digits + 2}f}{unit}", COMPLEXITY, here - claim.value)


@decides(Kind.COMPUTED)
def macs(claim: Claim, evidence: Evidence) -> Outcome:
    """MACs by thop agree to the last printed digit."""
    row = evidence.complexity_of(claim.arguments["run"])
    return _printed(claim, float(row["macs_thop"]), f" x 10^9 for {row['batch_size']:.0f} segments")


@decides(Kind.COMPUTED)
def parameters(claim: Claim, evidence: Evidence) -> Outcome:
    """Parameters by thop agree to the last printed digit; where claimed, half of another run's."""
    count = float(evidence.complexity_of(claim.arguments["run"])["params"])
    found = _printed(claim, count, " million")
    if half_of := claim.arguments.get("half_of"):
        share = count / float(evidence.complexity_of(half_of)["params"])
        here = f"{found.here}, {share:.2f} of {half_of}"
        return replace(found, holds=found.holds and round(share, 1) == 0.5, here=here)
    return found


@decides(Kind.COMPUTED)
def cost_ratio(claim: Claim, evidence: Evidence) -> Outcome:
    """The baseline takes, rounded, as many times the run's MACs as printed."""
    ratio = _ratio(evidence, claim.arguments["baseline"], claim.arguments["run"])
    return _printed(claim, ratio, " times")


def _ratio(evidence: Evidence, baseline: str, run: str) -> float:
    costs = [float(evidence.complexity_of(name)["macs_thop"]) for name in (baseline, run)]
    return costs[0] / costs[1]


@decides(Kind.COMPUTED)
def cheaper(claim: Claim, evidence: Evidence) -> Outcome:
    """The run takes less than half of the baseline's MACs: "significantly", "drastically"."""
    ratio = _ratio(evidence, claim.arguments["baseline"], claim.arguments["run"])
    return Outcome(ratio > 2, f"{ratio:.1f} times fewer MACs", COMPLEXITY)


@decides(Kind.COMPUTED)
def more_tubelets(claim: Claim, evidence: Evidence) -> Outcome:
    """The shorter the kernel, the more tubelets; never fewer."""
    counts = [
        int(evidence.transformers_of(run)["tokens"].iloc[0]) for run in claim.arguments["runs"]
    ]
    holds = counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    return Outcome(holds, f"tubelets {counts}", "tables/transformers.csv")


@decides(Kind.COMPUTED)
def cost_of_length(claim: Claim, evidence: Evidence) -> Outcome:
    """At equal segment length, the baseline takes less than ``factor`` times the run's MACs."""
    table = evidence.table("tables/complexity_ratios.csv").set_index("comparison")
    equal = table["ratio_thop"].drop(AS_PRINTED, errors="ignore")
    if equal.empty:
        raise NotRun("no runs of equal segment length in the configuration")
    here = ", ".join(f"{ratio:.1f} times {comparison}" for comparison, ratio in equal.items())
    ratio = _ratio(evidence, claim.arguments["baseline"], claim.arguments["run"])
    holds = bool((equal < claim.arguments["factor"]).all())
    return Outcome(holds, f"{here}; {ratio:.1f} as printed", "tables/complexity_ratios.csv")


@decides(Kind.COMPUTED)
def saving_in_tokeniser(claim: Claim, evidence: Evidence) -> Outcome:
    """Most of the saved MACs are saved in the tokeniser."""
    runs = [claim.arguments["baseline"], claim.arguments["run"]]
    for run in runs:
        evidence.complexity_of(run)
    baseline, own = (evidence.stages.loc[run, "macs_thop"] for run in runs)
    share = (baseline - own) / (baseline.sum() - own.sum())
    here = ", ".join(f"{stage} {round(100 * value)} %" for stage, value in share.items())
    encoders = [f"{run} {len(evidence.transformers_of(run))} transformers" for run in runs]
    here = f"of the saving: {here}; {', '.join(encoders)}"
    file = "tables/complexity_stages.csv, tables/transformers.csv"
    return Outcome(bool(share["tokeniser"] > 0.5), here, file)


@decides(Kind.COMPUTED)
def macs_of_a_segment(claim: Claim, evidence: Evidence) -> Outcome:
    """MACs of one segment; decides nothing."""
    rows = {run: evidence.complexity_of(run) for run in claim.arguments["runs"]}
    each = [f"{run} {1e3 * row['macs_thop'] / row['batch_size']:.1f}" for run, row in rows.items()]
    return Outcome(None, f"{', '.join(each)} x 10^6 a segment", COMPLEXITY)

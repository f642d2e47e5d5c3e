"""Claims about attention and embeddings (paper, Figs. 4 and 5)."""

from collections.abc import Sequence

import pandas as pd
from safetensors import safe_open

from bptubeformer.claims import Claim
from bptubeformer.evaluation.clusters import ALL, BY_CLASS, BY_CLUSTER
from bptubeformer.skeleton import PARTS
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Outcome, decides

SILHOUETTES = "tables/silhouettes.csv"
MOVEMENT = "tables/movement.csv"


def _silhouettes(evidence: Evidence, categories: Sequence[str]) -> pd.DataFrame:
    table = evidence.silhouettes(BY_CLASS)
    for category in categories:
        if category not in table.index:
            raise NotRun(f"no test segment of {category}")
    return table


def _both_means(evidence: Evidence) -> tuple[float, float]:
    means = [
        float(evidence.silhouettes(grouping).at[ALL, "mean"]) for grouping in (BY_CLASS, BY_CLUSTER)
    ]
    return means[0], means[1]


@decides(results=True)
def mean_silhouette(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouette is the printed one within the tolerance, by true class or by cluster."""
    means = _both_means(evidence)
    difference = min((mean - claim.value for mean in means), key=abs)
    here = f"by true class {means[0]:.4f}, by k-means cluster {means[1]:.4f}"
    return Outcome(abs(difference) <= claim.arguments["tolerance"], here, SILHOUETTES, difference)


@decides(results=True)
def silhouettes_here(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouettes; decides nothing."""
    means = _both_means(evidence)
    return Outcome(
        True, f"by true class {means[0]:.4f}, by k-means cluster {means[1]:.4f}", SILHOUETTES
    )


@decides(results=True)
def silhouette_sign(claim: Claim, evidence: Evidence) -> Outcome:
    """Most segments of each class have a positive, or a negative, silhouette."""
    categories = claim.arguments["categories"]
    share = _silhouettes(evidence, categories).loc[categories, "share_positive"]
    holds = (share > 0.5).all() if claim.arguments["sign"] > 0 else (share < 0.5).all()
    here = "positive: " + ", ".join(f"{name} {100 * value:.0f} %" for name, value in share.items())
    return Outcome(bool(holds), here, SILHOUETTES)


@decides(results=True)
def silhouette_tail(claim: Claim, evidence: Evidence) -> Outcome:
    """Classes have a larger share of negative silhouettes than the others, on average."""
    categories = claim.arguments["categories"]
    negative = 1 - _silhouettes(evidence, categories)["share_positive"].drop(ALL)
    named, others = negative[categories].mean(), negative.drop(categories).mean()
    here = f"negative: {100 * named:.0f} % of them, {100 * others:.0f} % of the other classes"
    return Outcome(bool(named > others), here, SILHOUETTES)


@decides(results=True)
def well_clustered(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouette of the true classes reaches what is commonly taken for structure."""
    mean, threshold = _both_means(evidence)[0], claim.arguments["threshold"]
    return Outcome(mean >= threshold, f"by true class {mean:.4f}, needed {threshold}", SILHOUETTES)


@decides(results=True)
def attention_follows_movement(claim: Claim, evidence: Evidence) -> Outcome:
    """For most parts, attention correlates with speed: above 0, and above shuffled time."""
    table = evidence.table(MOVEMENT)
    table = table[table["level"] == claim.arguments["level"]].set_index("part")
    true, shuffled = (table[table["order"] == order] for order in ("true", "shuffled"))
    follows = (true["interval_low"] > 0) & (true["interval_low"] > shuffled["interval_high"])
    here = f"{follows.sum()} of {len(follows)} parts; " + ", ".join(
        f"{part} {row['rank_correlation']:+.3f} (shuffled "
        f"{shuffled.at[part, 'rank_correlation']:+.3f})"
        for part, row in true.iterrows()
    )
    return Outcome(bool(follows.mean() > 0.5), here, MOVEMENT)


@decides(results=True)
def movement_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Over how many segments attention was compared with movement; decides nothing."""
    segments = evidence.table(MOVEMENT)["segments"].max()
    return Outcome(True, f"{segments} segments compared with their movement", MOVEMENT)


@decides(results=False)
def attention_shapes(claim: Claim, evidence: Evidence) -> Outcome:
    """The attention of one segment is there: between parts with the class token, and per part."""
    file = evidence.shown_fold / "attention.safetensors"
    with safe_open(evidence.file(file), framework="np") as saved:
        shapes = {
            name.removeprefix("attention "): saved.get_slice(name).get_shape()
            for name in saved.keys()  # noqa: SIM118
            if name.startswith("attention ")
        }
    tokens = len(PARTS) + 1
    holds = set(shapes) == {"body parts", *PARTS} and shapes["body parts"][1:] == [tokens, tokens]
    here = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
    return Outcome(holds, here, str(file))

"""Claims about attention and embeddings (paper, Figs. 4 and 5)."""

import pandas as pd
from safetensors import safe_open

from bptubeformer.claims import Claim
from bptubeformer.evaluation.clusters import ALL, BY_CLASS, BY_CLUSTER
from bptubeformer.reading import reading
from bptubeformer.skeleton import PARTS
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Outcome, decides

SILHOUETTES = "tables/silhouettes.csv"
MOVEMENT = "tables/movement.csv"


def _silhouettes(claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Silhouettes by true class of the run that a claim is about, and of its classes."""
    evidence.check_shown(claim.arguments["run"])
    table = evidence.silhouettes(BY_CLASS)
    for category in claim.arguments.get("categories", ()):
        if category not in table.index:
            raise NotRun(f"no test segment of {category}")
    return table


def _means(claim: Claim, evidence: Evidence) -> tuple[float, float, str]:
    """Mean silhouette by true class and by cluster, and both in words."""
    by_class = float(_silhouettes(claim, evidence).at[ALL, "mean"])
    by_cluster = float(evidence.silhouettes(BY_CLUSTER).at[ALL, "mean"])
    here = f"by true class {by_class:.4f}, by k-means cluster {by_cluster:.4f}"
    return by_class, by_cluster, here


@decides(results=True)
def mean_silhouette(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean is the printed one within the tolerance, in one reading, and low for all classes."""
    *means, here = _means(claim, evidence)
    difference = min((mean - claim.value for mean in means), key=abs)
    classes = _silhouettes(claim, evidence)["mean"].drop(ALL)
    here += f"; highest class {classes.idxmax()} {classes.max():.4f}"
    low = bool((classes < claim.arguments["low"]).all())
    holds = low and abs(difference) <= claim.arguments["tolerance"]
    return Outcome(holds, here, SILHOUETTES, difference)


@decides(results=True)
def silhouettes_here(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouettes; decides nothing."""
    return Outcome(True, _means(claim, evidence)[2], SILHOUETTES)


@decides(results=True)
def silhouette_sign(claim: Claim, evidence: Evidence) -> Outcome:
    """Most segments of each class have a positive, or a negative, silhouette."""
    categories = claim.arguments["categories"]
    share = _silhouettes(claim, evidence).loc[categories, "share_positive"]
    holds = (share > 0.5).all() if claim.arguments["sign"] > 0 else (share < 0.5).all()
    here = "positive: " + ", ".join(f"{name} {100 * value:.0f} %" for name, value in share.items())
    return Outcome(bool(holds), here, SILHOUETTES)


@decides(results=True)
def silhouette_tail(claim: Claim, evidence: Evidence) -> Outcome:
    """Classes have a larger share of negative silhouettes than the others, on average."""
    categories = claim.arguments["categories"]
    negative = 1 - _silhouettes(claim, evidence)["share_positive"].drop(ALL)
    named, others = negative[categories].mean(), negative.drop(categories).mean()
    here = f"negative: {100 * named:.0f} % of them, {100 * others:.0f} % of the other classes"
    return Outcome(bool(named > others), here, SILHOUETTES)


@decides(results=True)
def well_clustered(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouette of the true classes reaches what is commonly taken for structure."""
    mean, threshold = _means(claim, evidence)[0], claim.arguments["threshold"]
    return Outcome(mean >= threshold, f"by true class {mean:.4f}, needed {threshold}", SILHOUETTES)


@decides(results=True)
def attention_follows_movement(claim: Claim, evidence: Evidence) -> Outcome:
    """For most parts, attention correlates with speed: above 0, and above shuffled time."""
    evidence.check_shown(claim.arguments["run"])
    table = evidence.table(MOVEMENT)
    table = table[table["level"] == claim.arguments["level"]].set_index("part")
    true, shuffled = (table[table["order"] == order] for order in ("true", "shuffled"))
    if true["interval_low"].isna().any():
        raise NotRun("a body part has no test segment whose movement can be followed")
    follows = (true["interval_low"] > 0) & (true["minus_shuffled_low"] > 0)
    here = f"{follows.sum()} of {len(follows)} parts; " + ", ".join(
        f"{part} {row['rank_correlation']:+.3f} (shuffled "
        f"{shuffled.at[part, 'rank_correlation']:+.3f})"
        for part, row in true.iterrows()
    )
    return Outcome(bool(follows.mean() > 0.5), here, MOVEMENT)


@decides(results=True)
def movement_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Over how many segments attention was compared with movement; decides nothing."""
    evidence.check_shown(claim.arguments["run"])
    segments = evidence.table(MOVEMENT)["segments"].max()
    return Outcome(True, f"{segments} segments compared with their movement", MOVEMENT)


def _shapes(claim: Claim, evidence: Evidence) -> tuple[dict[str, list[int]], str]:
    """Shapes of the attention of one segment, by transformer, and the file that holds it."""
    evidence.check_shown(claim.arguments["run"])
    file = evidence.shown_fold / "attention.safetensors"
    path = evidence.file(file)
    kind = "the attention of a segment"
    with reading(path, kind, "bptubeformer attend"), safe_open(path, framework="np") as saved:
        shapes = {
            name.removeprefix("attention "): saved.get_slice(name).get_shape()
            for name in saved.keys()  # noqa: SIM118
            if name.startswith("attention ")
        }
    return shapes, str(file)


def _text(shapes: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())


@decides(results=False)
def attention_shapes(claim: Claim, evidence: Evidence) -> Outcome:
    """Attention of one segment: between parts with the class token, and between tubelets."""
    shapes, file = _shapes(claim, evidence)
    encoders = evidence.transformers_of(claim.arguments["run"])
    expected = {"body parts": "body_part_transformer"}
    expected |= {part: f"tubelet_transformers.{part}" for part in PARTS}
    holds = set(shapes) == set(expected) and shapes["body parts"][1] == len(PARTS) + 1
    for name, transformer in expected.items() if holds else ():
        count = encoders.at[transformer, "tokens"]
        holds &= shapes[name] == [encoders.at[transformer, "heads"], count, count]
    return Outcome(bool(holds), _text(shapes), file)


@decides(results=False)
def tubelet_matrices(claim: Claim, evidence: Evidence) -> Outcome:
    """Attention between as many tubelets as printed, each of so many frames of its own."""
    shapes, file = _shapes(claim, evidence)
    run = evidence.config["runs"][claim.arguments["run"]]
    frames, count = claim.arguments["frames"], int(claim.value)
    holds = run["kernel"][0] == run["stride"][0] == frames
    holds &= all(shapes.get(part, [])[1:] == [count, count] for part in PARTS)
    matrices = {part: shapes[part] for part in PARTS if part in shapes}
    found = max((shape[1] for shape in matrices.values()), default=0)
    here = f"tubelets of {run['kernel'][0]} frames; {_text(matrices)}"
    return Outcome(bool(holds), here, file, found - claim.value)

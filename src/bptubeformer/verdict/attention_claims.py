"""Claims about attention and embeddings (paper, Figs. 4 and 5)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from safetensors import safe_open

from bptubeformer.claims import Claim
from bptubeformer.data.store import read_trajectories
from bptubeformer.evaluation.clusters import ALL, BY_CLASS, BY_CLUSTER, MEAN, POSITIVE
from bptubeformer.evaluation.tables import read_table
from bptubeformer.evaluation.uncertainty import Counts, Estimate
from bptubeformer.reading import reading
from bptubeformer.study import ATTENTION
from bptubeformer.verdict.accuracy_claims import interval_text
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Kind, Outcome, decides
from bptubeformer.verdict.rules import largest_resolvable

SILHOUETTES = "tables/silhouettes.csv"
SILHOUETTE_COUNTS = "tables/silhouette_counts.csv"
MOVEMENT = "tables/movement.csv"


def _counts(claim: Claim, evidence: Evidence) -> Counts:
    """Silhouettes by true class of the run that a claim is about, all folds."""
    evidence.check_shown(claim.arguments["run"])
    _, categories = read_trajectories(evidence.file("data/frames.safetensors"))
    # One run has few folds: its variance over them is pooled over the classes.
    table = read_table(evidence.file(SILHOUETTE_COUNTS))
    counts = Counts.of(table, categories)
    for category in claim.arguments.get("categories", ()):
        if category not in set(table["category"]):
            raise NotRun(f"no test segment of {category}")
    return replace(counts, pool_classes=True)


def _of_classes(counts: Counts, run: str, names: Sequence[str]) -> list[Estimate]:
    return [counts.recall({(run, name): 1.0}) for name in names]


def _shares(names: Sequence[str], found: Sequence[Estimate]) -> str:
    return "positive: " + ", ".join(
        f"{name} {100 * estimate.value:.0f} %" for name, estimate in zip(names, found, strict=True)
    )


@decides(Kind.RESULTS)
def mean_silhouette(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean over all segments, by true class, is the printed one within the margin."""
    counts = _counts(claim, evidence)
    tested = counts.tested[MEAN].sum(axis=(0, 1))
    labels = counts.labels[counts.video]
    weights = np.bincount(labels, tested, minlength=len(counts.categories)) / tested.sum()
    estimate = counts.contrast({MEAN: weights})
    holds, note = evidence.rules.within(estimate, claim.value)
    by_cluster = float(evidence.silhouettes(BY_CLUSTER).at[ALL, "mean"])
    here = f"by true class {interval_text(estimate)}; by k-means cluster {by_cluster:.4f}"
    difference = estimate.value - claim.value
    least = largest_resolvable([estimate])
    return Outcome(holds, here, SILHOUETTE_COUNTS, difference, least, note)


@decides(Kind.RESULTS)
def low_silhouettes(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouette of each class is below what is commonly taken for structure."""
    counts = _counts(claim, evidence)
    names, limit = counts.categories, claim.arguments["threshold"]
    found = _of_classes(counts, MEAN, names)
    zero = Estimate(limit, fewest_videos=max(e.fewest_videos for e in found))
    holds, note = evidence.rules.positive([zero - estimate for estimate in found])
    best = max(zip(names, found, strict=True), key=lambda pair: pair[1].value)
    here = f"highest class {best[0]} {interval_text(best[1])}"
    return Outcome(holds, here, SILHOUETTE_COUNTS, None, largest_resolvable(found), note)


@decides(Kind.RESULTS)
def silhouettes_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Show the mean silhouettes; decides nothing."""
    evidence.check_shown(claim.arguments["run"])
    means = {name: evidence.silhouettes(name).at[ALL, "mean"] for name in (BY_CLASS, BY_CLUSTER)}
    here = ", ".join(f"by {name} {mean:.4f}" for name, mean in means.items())
    return Outcome(None, here, SILHOUETTES)


@decides(Kind.RESULTS)
def silhouette_sign(claim: Claim, evidence: Evidence) -> Outcome:
    """Most segments of each class have a positive, or a negative, silhouette."""
    names, sign = claim.arguments["categories"], claim.arguments["sign"]
    found = _of_classes(_counts(claim, evidence), POSITIVE, names)
    half = Estimate(0.5, fewest_videos=max(e.fewest_videos for e in found))
    shares = [estimate - half if sign > 0 else half - estimate for estimate in found]
    holds, note = evidence.rules.positive(shares)
    least = largest_resolvable(found)
    return Outcome(holds, _shares(names, found), SILHOUETTE_COUNTS, None, least, note)


@decides(Kind.RESULTS)
def silhouette_tail(claim: Claim, evidence: Evidence) -> Outcome:
    """Each class has more negative silhouettes than the classes that are not named, on average."""
    counts, names = _counts(claim, evidence), claim.arguments["categories"]
    others = [name for name in counts.categories if name not in names]
    weights = {(POSITIVE, other): 1 / len(others) for other in others}
    found = [counts.recall({**weights, (POSITIVE, name): -1.0}) for name in names]
    holds, note = evidence.rules.positive(found)
    here = "more negative than the others by: " + ", ".join(
        f"{name} {100 * estimate.value:+.0f} points"
        for name, estimate in zip(names, found, strict=True)
    )
    return Outcome(holds, here, SILHOUETTE_COUNTS, None, largest_resolvable(found), note)


@decides(Kind.RESULTS)
def well_clustered(claim: Claim, evidence: Evidence) -> Outcome:
    """The mean silhouette of the true classes reaches what is commonly taken for structure."""
    counts = _counts(claim, evidence)
    mean = np.full(len(counts.categories), 1 / len(counts.categories))
    estimate = counts.contrast({MEAN: mean})
    holds, note = evidence.rules.positive([estimate - claim.arguments["threshold"]])
    here = f"by true class {interval_text(estimate)}, needed {claim.arguments['threshold']}"
    return Outcome(holds, here, SILHOUETTE_COUNTS, None, largest_resolvable([estimate]), note)


@decides(Kind.RESULTS)
def attention_follows_movement(claim: Claim, evidence: Evidence) -> Outcome:
    """For most parts, attention correlates with speed: above 0, and above shuffled time."""
    evidence.check_shown(claim.arguments["run"])
    table = evidence.table(MOVEMENT)
    table = table[table["level"] == claim.arguments["level"]].set_index("part")
    true, shuffled = (table[table["order"] == order] for order in ("true", "shuffled"))
    ends = ["interval_low", "interval_high", "minus_shuffled_low", "minus_shuffled_high"]
    if true[ends].isna().any(axis=None):
        raise NotRun("a body part has no test segment whose movement can be followed")
    follows = (true["interval_low"] > 0) & (true["minus_shuffled_low"] > 0)
    against = (true["interval_high"] < 0) | (true["minus_shuffled_high"] < 0)
    here = f"{follows.sum()} of {len(follows)} parts for, {against.sum()} against; " + ", ".join(
        f"{part} {row['rank_correlation']:+.3f} (shuffled "
        f"{shuffled.at[part, 'rank_correlation']:+.3f})"
        for part, row in true.iterrows()
    )
    holds = True if follows.mean() > 0.5 else False if against.mean() > 0.5 else None
    return Outcome(holds, here, MOVEMENT)


@decides(Kind.RESULTS)
def movement_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Over how many segments attention was compared with movement; decides nothing."""
    evidence.check_shown(claim.arguments["run"])
    segments = evidence.table(MOVEMENT)["segments"].max()
    return Outcome(None, f"{segments} segments compared with their movement", MOVEMENT)


def _shapes(claim: Claim, evidence: Evidence) -> tuple[dict[str, list[int]], str]:
    """Shapes of the attention of one segment, by transformer, and the file that holds it."""
    evidence.check_shown(claim.arguments["run"])
    file = evidence.shown_fold / ATTENTION
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


@decides(Kind.CONSTRUCTION)
def attention_shapes(claim: Claim, evidence: Evidence) -> Outcome:
    """Attention of one segment: between parts with the class token, and between tubelets."""
    shapes, file = _shapes(claim, evidence)
    encoders = evidence.transformers_of(claim.arguments["run"])
    expected = {"body parts": "body_part_transformer"}
    expected |= {part: f"tubelet_transformers.{part}" for part in evidence.skeleton.parts}
    holds = set(shapes) == set(expected) and shapes["body parts"][1] == len(expected)
    for name, transformer in expected.items() if holds else ():
        count = encoders.at[transformer, "tokens"]
        holds &= shapes[name] == [encoders.at[transformer, "heads"], count, count]
    return Outcome(bool(holds), _text(shapes), file)


@decides(Kind.COMPUTED)
def tubelet_matrices(claim: Claim, evidence: Evidence) -> Outcome:
    """Attention between as many tubelets as printed, each of so many frames of its own."""
    shapes, file = _shapes(claim, evidence)
    run = evidence.study.runs[claim.arguments["run"]]
    frames, count = claim.arguments["frames"], int(claim.value)
    holds = run["kernel"][0] == run["stride"][0] == frames
    parts = evidence.skeleton.parts
    holds &= all(shapes.get(part, [])[1:] == [count, count] for part in parts)
    matrices = {part: shapes[part] for part in parts if part in shapes}
    found = max((shape[1] for shape in matrices.values()), default=0)
    here = f"tubelets of {run['kernel'][0]} frames; {_text(matrices)}"
    return Outcome(bool(holds), here, file, found - claim.value)

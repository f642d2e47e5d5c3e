"""Claims about the data, the experiments and their settings (paper, section 3)."""

import numpy as np
from safetensors import safe_open

from bptubeformer.claims import Claim
from bptubeformer.data.store import read_trajectories
from bptubeformer.evaluation.accuracy import title_of
from bptubeformer.evaluation.metrics import METRICS
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.reading import reading
from bptubeformer.skeleton import COCO_17
from bptubeformer.study import PREDICTIONS
from bptubeformer.verdict.evidence import ACCURACY, METRICS_TABLE, RECALLS, Evidence, NotRun
from bptubeformer.verdict.outcome import Kind, Outcome, decides


@decides(Kind.RESULTS)
def videos(claim: Claim, evidence: Evidence) -> Outcome:
    """The dataset has as many videos as printed."""
    table, _ = read_trajectories(evidence.file("data/frames.safetensors"))
    count = len(table.drop_duplicates(["category", "video"]))
    holds, difference = count == claim.value, count - claim.value
    return Outcome(
        holds, f"{count} videos with trajectories", "data/frames.safetensors", difference
    )


@decides(Kind.RESULTS)
def categories(claim: Claim, evidence: Evidence) -> Outcome:
    """The dataset has trajectories of these categories and no others."""
    table, _ = read_trajectories(evidence.file("data/frames.safetensors"))
    found = list(table["category"].unique())
    holds = set(found) == set(claim.arguments["categories"])
    file, difference = "data/frames.safetensors", len(found) - claim.value
    return Outcome(holds, f"{len(found)}: {', '.join(found)}", file, difference)


@decides(Kind.RESULTS)
def keypoints(claim: Claim, evidence: Evidence) -> Outcome:
    """A frame of the store has as many keypoints as printed."""
    file = "data/frames.safetensors"
    path = evidence.file(file)
    with (
        reading(path, "a frame store", "bptubeformer ingest"),
        safe_open(path, framework="np") as store,
    ):
        count = store.get_slice("frames").get_shape()[1] // 2
    return Outcome(
        count == claim.value == len(COCO_17.joints), str(count), file, count - claim.value
    )


@decides(Kind.RESULTS)
def imbalanced(claim: Claim, evidence: Evidence) -> Outcome:
    """The largest class has at least twice the videos of the smallest."""
    table, _ = read_trajectories(evidence.file("data/frames.safetensors"))
    counts = table.drop_duplicates(["category", "video"])["category"].value_counts()
    here = f"videos: {counts.max()} of {counts.idxmax()}, {counts.min()} of {counts.idxmin()}"
    return Outcome(bool(counts.max() >= 2 * counts.min()), here, "data/frames.safetensors")


@decides(Kind.CONSTRUCTION)
def segment_labels(claim: Claim, evidence: Evidence) -> Outcome:
    """Every tested segment has the category of its video for a label."""
    run = claim.arguments["run"]
    file = evidence.folds_of(run)[0].relative_to(evidence.study.results) / PREDICTIONS
    shown = Predictions.load(evidence.file(file))
    table, _ = read_trajectories(evidence.file("data/frames.safetensors"))
    names = np.array(shown.categories)[shown.labels]
    same = names == table["category"].to_numpy()[shown.trajectory]
    length = evidence.study.runs[run]["segment_length"]
    here = f"{same.sum()} of {len(same)} segments of {length} frames"
    return Outcome(bool(same.all()), here, str(file))


@decides(Kind.CONSTRUCTION)
def trained(claim: Claim, evidence: Evidence) -> Outcome:
    """These runs were trained."""
    for run in claim.arguments["runs"]:
        evidence.accuracy_of(run)
    return Outcome(True, f"trained: {', '.join(claim.arguments['runs'])}", ACCURACY)


@decides(Kind.CONSTRUCTION)
def training_setting(claim: Claim, evidence: Evidence) -> Outcome:
    """Every run was trained with one of the printed values."""
    key = claim.arguments["key"]
    found = {record["training"][key] for records in evidence.records.values() for record in records}
    here = f"{key} {', '.join(map(str, sorted(found)))}"
    holds = found <= set(claim.arguments["values"])
    return Outcome(holds, here, f"{evidence.protocol}/*/fold*/run.json")


@decides(Kind.CONSTRUCTION)
def early_stopping(claim: Claim, evidence: Evidence) -> Outcome:
    """Training went on for as many epochs after its best as printed, or until its last epoch."""
    patience = int(claim.value)
    after, holds = [], True
    for records in evidence.records.values():
        for record in records:
            after.append(record["epochs"] - record["best_epoch"])
            ended = record["epochs"] == record["training"]["max_epochs"]
            holds &= after[-1] == patience or (ended and after[-1] < patience)
    stopped = f"{after.count(patience)} of {len(after)} trainings"
    if holds and patience not in after:
        raise NotRun(f"no training was long enough to stop early ({len(after)} were not)")
    here = f"{stopped} stopped {patience} epochs after their best"
    if after.count(patience) < len(after):
        here += f", the others {min(after)} to {max(after)} epochs after it"
    return Outcome(holds, here, f"{evidence.protocol}/*/fold*/run.json")


@decides(Kind.CONSTRUCTION)
def folds(claim: Claim, evidence: Evidence) -> Outcome:
    """Every run has as many folds as printed, with a mean and a standard deviation over them."""
    table = evidence.accuracy
    counts = sorted(map(int, table["folds"].unique()))
    known = table[["balanced_accuracy_mean", "balanced_accuracy_std"]].notna().all(axis=None)
    here = ", ".join(map(str, counts))
    holds = counts == [claim.value] and bool(known)
    return Outcome(holds, here, ACCURACY, counts[-1] - claim.value)


@decides(Kind.CONSTRUCTION)
def various_metrics(claim: Claim, evidence: Evidence) -> Outcome:
    """Balanced accuracy and other metrics are reported."""
    file = METRICS_TABLE
    found = [name for name in METRICS if name in set(evidence.table(file)["metric"])]
    here = ", ".join(map(title_of, found))
    return Outcome("balanced_accuracy" in found and len(found) > 1, here, file)


@decides(Kind.CONSTRUCTION)
def counted(claim: Claim, evidence: Evidence) -> Outcome:
    """MACs and parameters are counted for every run of the paper."""
    runs = evidence.configured
    counts = evidence.complexity.reindex(runs)[["macs_thop", "params"]]
    complete = int(counts.notna().all(axis=1).sum())
    here = f"MACs and parameters of {complete} runs by thop"
    return Outcome(complete == len(runs), here, "tables/complexity.csv")


@decides(Kind.CONSTRUCTION)
def matrix_of_best(claim: Claim, evidence: Evidence) -> Outcome:
    """The run that is best here has a recall for each class: a row of its confusion matrix."""
    best = str(evidence.accuracy["balanced_accuracy_mean"].idxmax())
    recalls = evidence.recalls_of(best).reindex(evidence.counts.categories)
    here = f"best here: {best}; recalls of {int(recalls.notna().sum())} classes"
    return Outcome(bool(recalls.notna().all()), here, RECALLS)


@decides(Kind.CONSTRUCTION)
def kernel_is_stride(claim: Claim, evidence: Evidence) -> Outcome:
    """These runs were trained, with a stride that is their kernel, at one segment length."""
    rows = [evidence.accuracy_of(run) for run in claim.arguments["runs"]]
    holds = all(row["kernel"] == row["stride"] for row in rows)
    holds &= {row["segment_length"] for row in rows} == {claim.arguments["segment_length"]}
    return Outcome(holds, ", ".join(row["kernel"] for row in rows), ACCURACY)


@decides(Kind.CONSTRUCTION)
def default_padding(claim: Claim, evidence: Evidence) -> Outcome:
    """All trained runs that pad do it with constant 0, but for those that are about padding."""
    found = [
        (run, record["run"]["padding"])
        for run, records in evidence.records.items()
        for record in records
        if "padding" in record["run"]
    ]
    but = claim.arguments["but"]
    others = sorted({f"{run} {padding}" for run, padding in found if padding != "constant"})
    constant = sum(padding == "constant" for _, padding in found)
    here = (
        f"constant in {constant} of {len(found)} trainings; others: {', '.join(others) or 'none'}"
    )
    holds = all((padding == "constant") != (run in but) for run, padding in found)
    return Outcome(holds, here, f"{evidence.protocol}/*/fold*/run.json")

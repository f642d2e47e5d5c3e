"""Each test of a claim, with a result that passes and one that fails."""

import json
import shutil
import sys
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from bptubeformer.claims import load_claims
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.skeleton import COCO_17, Skeleton
from bptubeformer.study import PREDICTIONS
from bptubeformer.verdict import gate, model_claims
from bptubeformer.verdict.judge import (
    CONTRADICTED,
    DIFFERS,
    FOLLOWED,
    INCONCLUSIVE,
    NOT_RUN,
    NOT_STATED,
    NOT_TESTABLE,
    RECONSTRUCTION,
    REPRODUCED,
    UNSUPPORTED,
    VERDICTS,
    judge,
    verdict_table,
)
from bptubeformer.verdict.outcome import KINDS, TESTS, Kind, decides
from conftest import REPOSITORY
from verdict.conftest import again, evidence_of

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import verdicts as verdicts_benchmark

CLAIMS = {claim.id + claim.part: claim for claim in load_claims()}
DECIDING = sorted({c.test for c in CLAIMS.values() if c.test and not c.verdict})
FALSE = {"cost_of_length", "saving_in_tokeniser", "spatial_positions", "well_clustered"}
"""Tests of claims that are false even where all the rest of the paper is right."""


def table(name, change):
    """Change a table of the results; ``change`` takes and gives a data frame."""

    def apply(evidence, monkeypatch):
        path = evidence.study.folder / "tables" / f"{name}.csv"
        change(pd.read_csv(path)).to_csv(path, index=False)

    return apply


def cell(name, column, value, **where):
    """Set a column of the rows of a table where other columns have these values."""

    def change(rows):
        chosen = np.logical_and.reduce([rows[key] == wanted for key, wanted in where.items()])
        rows[column] = rows[column].where(~chosen, value)
        return rows

    return table(name, change)


def counts(change, name="counts"):
    """Change the counts, and forget that their numbers were whole."""
    return table(name, lambda rows: change(rows.astype({"correct": float})))


def shift(run, by, category=None, fold=None):
    """Move the recall of a run: in all classes or one, in all folds or one."""

    def change(rows):
        chosen = rows["run"] == run
        if category is not None:
            chosen &= rows["category"] == category
        if fold is not None:
            chosen &= rows["fold"] == fold
        rows.loc[chosen, "correct"] += by * rows.loc[chosen, "tested"]
        return rows

    return counts(change)


def noise(by):
    """Move each run up in one fold and down in another, each in its own: trainings that differ."""

    def change(rows):
        number = rows["run"].astype("category").cat.codes
        rows["correct"] += by * ((rows["fold"] + number) % 3 - 1) * rows["tested"]
        return rows

    return counts(change)


def silhouette(run, value, categories=None):
    def change(rows):
        chosen = rows["run"] == run
        if categories is not None:
            chosen &= rows["category"].isin(categories)
        rows.loc[chosen, "correct"] = value * rows.loc[chosen, "tested"]
        return rows

    return counts(change, "silhouette_counts")


def record(**changes):
    def apply(evidence, monkeypatch):
        path = evidence.study.results / "as-published" / "BPT-V2" / "fold1" / "run.json"
        about = json.loads(path.read_text())
        for key, value in changes.items():
            about[key] = about[key] | value if isinstance(value, dict) else value
        path.write_text(json.dumps(about))

    return apply


def without_a_class(evidence, monkeypatch):
    path = evidence.study.results / "data" / "frames.safetensors"
    store = FrameStore.load(path)
    kept = [name for name in store.categories if name != "Arson"]
    rows = store.trajectories[store.trajectories["category"] != "Arson"].reset_index(drop=True)
    number = len(rows)
    FrameStore(
        store.frames[:number], store.frame_number[:number], store.offsets[: number + 1], rows,
        tuple(kept),
    ).save(path)  # fmt: skip


def one_video_a_class(evidence, monkeypatch):
    path = evidence.study.results / "data" / "frames.safetensors"
    store = FrameStore.load(path)
    rows = store.trajectories.drop_duplicates("category").reset_index(drop=True)
    number = len(rows)
    FrameStore(
        store.frames[:number], store.frame_number[:number], store.offsets[: number + 1], rows,
        store.categories,
    ).save(path)  # fmt: skip


def wider_frames(evidence, monkeypatch):
    path = evidence.study.results / "data" / "frames.safetensors"
    arrays = load_file(path)
    with safe_open(path, framework="np") as store:
        about = store.metadata()
    arrays["frames"] = np.zeros((789, 36), np.float32)
    save_file(arrays, path, metadata=about)


def wrong_label(evidence, monkeypatch):
    path = evidence.study.results / "as-published" / "BPT-V2" / "fold0" / PREDICTIONS
    shown = Predictions.load(path)
    shown.labels[0] = 5
    shown.save(path)


def attention_without_knees(evidence, monkeypatch):
    path = evidence.study.results / "as-published" / "BPT-V2" / "fold0" / "attention.safetensors"
    arrays = load_file(path)
    del arrays["attention knees"]
    save_file(arrays, path)


def patch(module, name, value):
    return lambda evidence, monkeypatch: monkeypatch.setattr(module, name, value)


def configure(run, **changes):
    def apply(evidence, monkeypatch):
        evidence.config["runs"][run] |= changes

    return apply


class Padded(Skeleton):
    """A skeleton whose parts are padded to another shape."""

    cells: ClassVar = [[[0, 1]]] * 5

    def part_grids(self, padding):
        return self.cells


class Empty(Padded):
    """A skeleton whose padded cells stay empty."""

    cells: ClassVar = [[[COCO_17.no_joint]]]


def with_skeleton(kind=Skeleton, **changes):
    return patch(model_claims, "COCO_17", kind(**{**vars(COCO_17), **changes}))


SMALL_PARTS = {"torso": ((0, 1), (2, 3)), "elbows": ((7, 8),)}
TWO_PAIRS = {"elbows": ((7, 8),), "wrists": ((9, 10),)}
ORDER = dict(reversed(list(COCO_17.colours.items())))
FLIPS = {
    "accuracy": shift("BPT-V2", 0.02),
    "all_learned": table("accuracy", lambda rows: rows.assign(learned=rows["run"] != "BPT-V1")),
    "attention_follows_movement": table("movement", lambda rows: rows.assign(
        minus_shuffled_low=-0.3, minus_shuffled_high=-0.1)),
    "attention_shapes": attention_without_knees,
    "categories": without_a_class,
    "cheaper": cell("complexity", "macs_thop", 400.0, run="BPT-V2"),
    "class_improves": shift("BPT-V2", -0.2, "Fighting"),
    "class_recall": shift("BPT-V2", 0.05, "Vandalism"),
    "class_times": shift("BPT-V2", 0.08, "Arson"),
    "classes_above": shift("BPT-V2", 0.02, "Robbery"),
    "concatenated": cell("transformers", "width", 64, transformer="body_part_transformer"),
    "cost_of_length": table("complexity_ratios", lambda rows: rows.assign(ratio_thop=1.9)),
    "cost_ratio": cell("complexity", "macs_thop", 300.0, run="ST-Tran"),
    "counted": cell("complexity", "params", None, run="M1.2"),
    "default_padding": record(run={"padding": "replicate"}),
    "early_stopping": record(best_epoch=6),
    "extreme_class": shift("BPT-V2", -0.4, "Abuse"),
    "falls": shift("BPT-V3", 0.01),
    "folds": cell("accuracy", "folds", 5, protocol="as-published"),
    "heads": cell("transformers", "heads", 4, run="BPT-V2"),
    "higher": shift("BPT-V2", -0.01),
    "highest": shift("BPT-V3", 0.02),
    "imbalanced": one_video_a_class,
    "kernel_is_stride": cell("accuracy", "stride", "(1, 3, 3)", run="BPT-V4"),
    "keypoints": wider_frames,
    "largest_part": with_skeleton(parts=SMALL_PARTS),
    "low_silhouettes": silhouette("mean", 0.3, ["Abuse"]),
    "lower": shift("BPT-V2-replicate", 0.03),
    "lower_by": shift("BPT-V2-replicate", 0.03),
    "lowest": shift("BPT-k8x3x3", 0.01),
    "macs": cell("complexity", "macs_thop", 613.56, run="ST-Tran"),
    "matrix_of_best": table("recalls", lambda rows: rows.assign(
        recall=rows["recall"].where(rows["category"] != "Abuse"))),
    "mean_silhouette": silhouette("mean", 0.2),
    "more_tubelets": cell("transformers", "tokens", 99, run="BPT-k8x3x3"),
    "overlapping": configure("BPT-8-V1", stride=[2, 2, 2]),
    "padding_needed": with_skeleton(parts=TWO_PAIRS),
    "padding_of_pairs": with_skeleton(Padded),
    "parameters": cell("complexity", "params", 4.84, run="BPT-V2"),
    "part_encoders": table("transformers", lambda rows: rows[
        rows["transformer"] != "tubelet_transformers.knees"]),
    "parts": with_skeleton(colours=ORDER),
    "replicated": with_skeleton(Empty),
    "saving_in_tokeniser": cell("complexity_stages", "macs_thop", 9999.0, run="ST-Tran",
                                stage="tokeniser"),
    "segment_labels": wrong_label,
    "silhouette_sign": silhouette("share positive", 0.51, ["Burglary"]),
    "silhouette_tail": silhouette("share positive", 0.9, ["Explosion"]),
    "similar": shift("TTubeFormer", -0.03),
    "spatial_positions": configure("BPT-V2", kernel=[2, 2, 2], stride=[2, 1, 1]),
    "square_grids": with_skeleton(Padded),
    "tokeniser": cell("complexity_stages", "modules", "5 Linear", stage="tokeniser"),
    "tokens": cell("transformers", "width", 512, transformer="temporal_transformer"),
    "trained": table("accuracy", lambda rows: rows[rows["run"] != "BPT-8-V1"]),
    "training_setting": record(training={"learning_rate": 0.01}),
    "tubelet_matrices": configure("BPT-V2", stride=[1, 3, 3]),
    "tubelets": cell("transformers", "tokens", 6, run="BPT-V2"),
    "various_metrics": table("metrics", lambda rows: rows.head(1)),
    "videos": one_video_a_class,
    "well_clustered": silhouette("mean", 0.3),
}  # fmt: skip


def verdicts(evidence, test):
    fresh = again(evidence)
    return [judge(claim, fresh)["verdict"] for claim in CLAIMS.values() if claim.test == test]


def expected(test, holds):
    if not holds:
        return DIFFERS
    return FOLLOWED if KINDS[test] is Kind.CONSTRUCTION else REPRODUCED


def test_every_test_that_decides_is_turned_round_here():
    assert set(FLIPS) == set(DECIDING)


@pytest.mark.parametrize("test", sorted(FLIPS))
def test_a_result_passes_and_another_fails(evidence, monkeypatch, test):
    before = set(verdicts(evidence, test)) - {RECONSTRUCTION}
    assert before == {expected(test, test not in FALSE)}
    FLIPS[test](evidence, monkeypatch)
    after = verdicts(evidence, test)
    # A run that fails to learn, decided by its interval or not.
    flipped = {"trained": NOT_RUN, "all_learned": INCONCLUSIVE}.get(
        test, expected(test, test in FALSE)
    )
    assert flipped in after


RESULT_TESTS = sorted(
    {"accuracy", "class_improves", "class_recall", "class_times", "classes_above",
     "falls", "higher", "highest", "lower", "lower_by", "lowest", "similar"}
)  # fmt: skip


@pytest.mark.parametrize("test", RESULT_TESTS)
def test_where_trainings_differ_by_more_than_the_claim_nothing_is_decided(
    evidence, monkeypatch, test
):
    noise(0.4)(evidence, monkeypatch)
    assert set(verdicts(evidence, test)) - {RECONSTRUCTION} == {INCONCLUSIVE}


def test_what_cannot_be_decided_says_what_could_and_what_is_too_small(evidence, monkeypatch):
    noise(0.05)(evidence, monkeypatch)
    fresh = again(evidence)
    row = judge(CLAIMS["T04"], fresh)
    assert row["verdict"] == INCONCLUSIVE
    assert "this protocol cannot decide it within 0.01; it could with" in row["reason"]
    assert "times the folds or seeds" in row["reason"]
    row = judge(CLAIMS["Q04"], fresh)
    assert row["verdict"] == INCONCLUSIVE
    assert (
        "this protocol cannot decide it if the paper's +0.0185 is true; it could with"
        in (row["reason"])
    )
    assert row["reason"].endswith("times the folds or seeds")
    assert row["resolvable"] > 0.0185


def test_a_class_with_one_test_video_leaves_all_undecided(evidence, monkeypatch):
    counts(lambda rows: rows[(rows["category"] != "Arson") | rows["video"].eq("Arson0")])(
        evidence, monkeypatch
    )
    fresh = again(evidence)
    for name in ("T04", "Q04", "Q12a", "F02a", "F01"):
        row = judge(CLAIMS[name], fresh)
        assert row["verdict"] == INCONCLUSIVE, name
        assert "too few test videos in a fold: 1, at least 2" in row["reason"], name
    assert judge(CLAIMS["F05a"], fresh)["verdict"] == REPRODUCED  # of Shooting alone


def test_far_better_is_not_similar(evidence, monkeypatch):
    shift("TTubeFormer", 0.1)(evidence, monkeypatch)
    row = judge(CLAIMS["U02a"], again(evidence))
    assert row["verdict"] == DIFFERS
    assert "not similar: TTubeFormer is better" in row["reason"]


def test_a_run_decidedly_at_chance_is_not_better_than_guessing(evidence, monkeypatch):
    table("accuracy", lambda rows: rows.assign(learned=rows["run"] != "BPT-V1"))(evidence, None)
    shift("BPT-V1", -0.42)(evidence, monkeypatch)
    row = judge(CLAIMS["Q13"], again(evidence))
    assert (row["verdict"], row["here"]) == (DIFFERS, "14 of 15 runs learned; not: BPT-V1")


def test_a_reconstruction_is_never_reproduced(evidence):
    row = judge(CLAIMS["T02"], evidence)
    assert row["verdict"] == judge(CLAIMS["B01"], evidence)["verdict"] == RECONSTRUCTION
    assert row["paper"] == "0.3820"
    assert row["here"].startswith("0.3820 ± 0.0020")


def test_a_guess_is_named_beside_the_verdict(evidence):
    for name in ("T07", "T08", "Q07a"):
        assert "rests on e = 8" in judge(CLAIMS[name], evidence)["reason"]


def test_every_part_of_a_claim_has_a_verdict_and_its_evidence(evidence):
    found = verdict_table(evidence)
    assert (found["id"] + found["part"]).tolist() == list(CLAIMS)
    assert found["verdict"].isin(VERDICTS).all()
    kinds = found.set_index("id")["verdict"]
    unsupported = ["K09", "K22", "K23", "K24", "K25"]
    own = {"K19": FOLLOWED, **dict.fromkeys(unsupported, UNSUPPORTED)}
    contradictions = kinds[kinds.index.str.startswith("K")]
    assert contradictions.to_dict() == {k: own.get(k, CONTRADICTED) for k in contradictions.index}
    assert (kinds[kinds.index.str.startswith("G")] == NOT_STATED).all()
    assert not (kinds == NOT_RUN).any()
    decided = found[found["verdict"].isin([REPRODUCED, DIFFERS, RECONSTRUCTION])]
    assert (decided["here"] != "").all()
    assert (decided["evidence"] != "").all()
    assert (found.loc[found["verdict"] == NOT_TESTABLE, "reason"] != "").all()
    assert found.loc[found["leading"], "id"].nunique() == 12


def test_what_an_implementation_follows_by_construction_is_not_reproduced(evidence):
    found = verdict_table(evidence).set_index("id")["verdict"]
    for name in ("R01", "R05", "R13", "E01", "E04", "B02", "S01", "S05", "S09"):
        assert found[name] == FOLLOWED, name


def test_differences_are_ours_minus_the_papers(evidence):
    assert judge(CLAIMS["X01"], evidence)["difference"] == pytest.approx(0.032448)
    assert judge(CLAIMS["T04"], evidence)["difference"] == pytest.approx(0, abs=1e-4)
    assert judge(CLAIMS["Q02"], evidence)["difference"] is None


def test_choices_show_the_configuration(evidence):
    row = judge(CLAIMS["G01"], evidence)
    assert "architecture.depth = 4" in row["here"]
    assert row["evidence"] == "config.yaml"
    assert "runs.M1.2.local_width = 128" in judge(CLAIMS["G13"], evidence)["here"]
    del evidence.config["runs"]["M1.2"]
    evidence.config["studies"]["paper"]["runs"].remove("M1.2")
    del evidence.config["studies"]["comparators"]
    evidence = again(evidence)
    assert "runs.M1.2.local_width = left out" in judge(CLAIMS["G13"], evidence)["here"]


def test_contradictions_show_what_was_computed_but_are_not_decided_by_it(evidence):
    row = judge(CLAIMS["K02"], evidence)
    assert row["verdict"] == CONTRADICTED
    assert row["here"] == "BPT-V2-replicate 0.4782"
    assert "over 2 seeds 0.0030" in judge(CLAIMS["K22"], evidence)["here"]
    assert "BPT-8-V2 92 tubelets" in judge(CLAIMS["K09"], evidence)["here"]
    assert "ST-Tran 613.5" in judge(CLAIMS["K10"], evidence)["here"]
    assert (
        "BPT-V2 0.4982 on 390 trajectories, 0.4900 on the 300"
        in (judge(CLAIMS["K25"], evidence)["here"])
    )


def test_behind_a_closed_gate_no_result_is_judged(evidence, monkeypatch):
    """Claims that need no data are decided all the same."""
    monkeypatch.setattr(gate, "content", lambda trajectories: ["12 videos, HR-Crime has 789"])
    evidence.config["training"]["max_epochs"] = 5
    evidence = again(evidence)
    found = verdict_table(evidence)
    found.index = found["id"] + found["part"]
    for name, claim in CLAIMS.items():
        verdict = found.at[name, "verdict"]
        if claim.verdict or claim.test is None:
            continue
        if KINDS[claim.test] is Kind.RESULTS:
            assert verdict == NOT_TESTABLE, name
            assert "12 videos, HR-Crime has 789" in found.at[name, "reason"]
            assert "max_epochs = 5" in found.at[name, "reason"]
            assert not found.at[name, "difference"] >= 0
        else:
            assert verdict in (REPRODUCED, DIFFERS, FOLLOWED), name
    exact = ["X01", "X02", "X03", "X04", "X05", "Q06", "N08"]
    assert (found.loc[exact, "verdict"] == REPRODUCED).all()
    assert (found.loc[["X06", "X07a"], "verdict"] == DIFFERS).all()
    assert found.at["T04", "here"].startswith("0.4982")


def test_early_stopping_that_never_happened_is_not_reproduced(evidence):
    for run in evidence.study.runs:
        for path in evidence.folds_of(run):
            about = json.loads((path / "run.json").read_text())
            about["training"]["max_epochs"] = 10
            (path / "run.json").write_text(json.dumps(about | {"best_epoch": 10}))
    row = judge(CLAIMS["S02"], evidence)
    assert (row["verdict"], row["reason"][:39]) == (
        NOT_RUN,
        "no training was long enough to stop ear",
    )


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("B02", table("accuracy", lambda rows: rows[rows["run"] != "M1.2"])),
        ("D02", without_a_class),
        ("N02", cell("transformers", "heads", 4, run="BPT-V2")),
        ("Q05b", cell("transformers", "tokens", 99, run="BPT-k8x3x3")),
        ("Q07b", shift("BPT-8-V2", 0.0068)),
        ("Q08", shift("BPT-k2x3x3-s1x3x3-w384", 0.009)),
        ("R05", cell("transformers", "tokens", 7, run="BPT-V2")),
        ("S02", record(best_epoch=5)),
        ("S04", cell("accuracy", "balanced_accuracy_std", None, run="BPT-V2")),
        ("X05", cell("complexity", "params", 8.0, run="ST-Tran")),
    ],
)
def test_every_part_of_a_claim_counts(evidence, monkeypatch, claim, change):
    assert judge(CLAIMS[claim], evidence)["verdict"] in (REPRODUCED, FOLLOWED)
    change(evidence, monkeypatch)
    after = judge(CLAIMS[claim], again(evidence))["verdict"]
    assert after in (DIFFERS, NOT_RUN)


def test_figures_of_another_run_decide_nothing(evidence):
    evidence.config["studies"]["paper"]["shown"] = "BPT-V3"
    evidence = again(evidence)
    for name in ("L01a", "N02", "N13", "S07a"):
        row = judge(CLAIMS[name], evidence)
        assert row["verdict"] == NOT_RUN
        assert row["reason"] == "the figures are of BPT-V3, the claim is about BPT-V2"


def test_runs_that_a_user_adds_are_not_the_papers(evidence):
    evidence.config["runs"]["mine"] = {"model": "m12", "experiment": "x", "segment_length": 24}
    evidence = again(evidence)
    rows = pd.read_csv(evidence.study.folder / "tables" / "accuracy.csv")
    mine = rows.iloc[[0]].assign(run="mine", balanced_accuracy_mean=0.1, learned=False)
    pd.concat([rows, mine]).to_csv(evidence.study.folder / "tables" / "accuracy.csv", index=False)
    for name in ("Q13", "F07"):
        assert judge(CLAIMS[name], evidence)["verdict"] == REPRODUCED, name
    for name in ("S01", "S06a"):
        assert judge(CLAIMS[name], evidence)["verdict"] == FOLLOWED, name


def test_one_run_of_all_left_out_leaves_all_undecided(evidence):
    for name in ("accuracy", "counts"):
        table(name, lambda rows: rows[rows["run"] != "BPT-V1"])(evidence, None)
    for name in ("Q13", "F07"):
        assert judge(CLAIMS[name], evidence)["reason"] == "BPT-V1 was not trained"


def test_what_was_not_computed_is_not_run(evidence):
    for name in ("accuracy", "counts"):
        table(name, lambda rows: rows[rows["run"] == "BPT-V2"])(evidence, None)
    (evidence.study.folder / "tables" / "silhouette_counts.csv").unlink()
    fresh = again(evidence)
    for name, words in {
        "T01": "ST-Tran was not trained",
        "Q08": "BPT-V2-w384 was not trained: snakemake controls",
        "Q12a": "ST-Tran was not trained",
        "L01a": "tables/silhouette_counts.csv was not made",
    }.items():
        row = judge(CLAIMS[name], fresh)
        assert (row["verdict"], row["reason"]) == (NOT_RUN, words)
    assert judge(CLAIMS["T04"], fresh)["verdict"] == REPRODUCED


def test_a_class_or_part_that_results_lack_decides_nothing(evidence):
    without_a_class(evidence, None)
    table("silhouette_counts", lambda rows: rows[rows["category"] != "Assault"])(evidence, None)
    table("counts", lambda rows: rows[rows["category"] != "Arson"])(evidence, None)
    cell("movement", "interval_low", float("nan"), part="wrists", order="true")(evidence, None)
    for name, reason in {
        "F02b": "hr-crime has no class Arson",
        "L03": "no test segment of Assault",
        "M16": "a body part has no test segment whose movement can be followed",
    }.items():
        row = judge(CLAIMS[name], evidence)
        assert (row["verdict"], row["reason"]) == (NOT_RUN, reason)


def test_a_record_that_is_none_is_refused(evidence):
    path = evidence.folds_of("BPT-V2")[0] / "run.json"
    for text, words in (("[1]", r"its content = \[1\]: expected the"), ("{", "not the")):
        path.write_text(text)
        with pytest.raises(InputError, match=rf"run\.json: {words} record of a training"):
            evidence.records_of(["BPT-V2"])


def test_an_empty_result_reproduces_nothing_that_has_to_be_computed(tmp_path, evidence):
    found = verdict_table(evidence_of(tmp_path / "nothing", evidence.config)).set_index("id")
    reproduced = found.index[found["verdict"] == REPRODUCED]
    # The grids of the body parts are facts of the package.
    assert set(reproduced) == set()
    assert {"R07", "R08", "R09", "R10", "R12"} < set(found.index[found["verdict"] == FOLLOWED])


def test_a_study_is_judged_by_its_own_tables(evidence):
    tables = evidence.study.results / "controls" / "tables"
    shutil.copytree(evidence.study.folder / "tables", tables)
    rows = pd.read_csv(tables / "accuracy.csv")
    rows.assign(balanced_accuracy_mean=0.1).to_csv(tables / "accuracy.csv", index=False)
    controls = evidence_of(evidence.study.results, evidence.config, "controls")
    assert judge(CLAIMS["T04"], controls)["here"].startswith("0.1000")
    assert judge(CLAIMS["T04"], evidence)["here"].startswith("0.4982")


def test_two_tests_of_one_name_are_refused():
    def highest(claim, evidence):
        raise AssertionError("never called")

    with pytest.raises(ValueError, match="two tests of claims are named highest"):
        decides(Kind.RESULTS)(highest)
    assert TESTS["highest"] is not highest


def results_reproduced(table):
    kinds = {name for name, claim in CLAIMS.items() if KINDS.get(claim.test or "") is Kind.RESULTS}
    return [
        name
        for name, verdict in zip(table["id"] + table["part"], table["verdict"], strict=True)
        if verdict == REPRODUCED and name in kinds
    ]


def test_walkers_under_the_name_of_hr_crime_reproduce_no_result(evidence, store, monkeypatch):
    monkeypatch.undo()
    store.save(evidence.study.results / "data" / "frames.safetensors")
    evidence.config["dataset"]["name"] = "hr-crime"
    rows = [judge(claim, evidence) for claim in CLAIMS.values() if claim.id != "R02"]
    assert results_reproduced(pd.DataFrame(rows)) == []
    assert "videos, HR-Crime has 789" in judge(CLAIMS["T04"], evidence)["reason"]


@pytest.mark.parametrize("seed", range(3))
def test_without_the_gate_each_reproduced_claim_rests_on_decided_pairs(evidence, seed):
    """The demonstration's size and noise, all runs equal, and the gate open."""
    size = verdicts_benchmark.SIZES[1]
    truth = verdicts_benchmark.equal_truth(size)
    counts = verdicts_benchmark.simulate(size, truth, np.random.default_rng(seed))
    simulated = verdicts_benchmark.Simulated(evidence.study, given=counts)
    for claim in verdicts_benchmark.CLAIMS:
        row = judge(claim, simulated)
        if row["verdict"] != REPRODUCED:
            continue
        arguments = claim.arguments
        pairs = {
            "lower": lambda a: [(a["than"], run) for run in a["runs"]],
            "higher": lambda a: [(a["run"], a["than"])],
            "highest": lambda a: [(a["run"], run) for run in a["among"] if run != a["run"]],
            "lowest": lambda a: [(run, a["run"]) for run in a["among"] if run != a["run"]],
            "falls": lambda a: list(pairwise(a["runs"])),
        }  # fmt: skip
        assert claim.test in pairs, claim.id  # nothing else can be decided at this size
        for pair in pairs[claim.test](arguments):
            assert counts.balanced_accuracy(*pair).interval()[0] > 0, claim.id


def test_a_run_that_the_configuration_left_out_decides_nothing(evidence):
    for run in ("BPT-V2", "BPT-8-V1"):
        del evidence.config["runs"][run]
        evidence.config["studies"]["paper"]["runs"].remove(run)
    evidence.config["studies"]["paper"] |= {"shown": "BPT-V1", "leakage": []}
    evidence.config["studies"] = {"paper": evidence.config["studies"]["paper"]}
    evidence.config["studies"]["paper"]["counted"] = []
    evidence = again(evidence)
    for name, run in {"R16": "BPT-V2", "R18": "BPT-8-V1", "R10": "BPT-8-V1"}.items():
        row = judge(CLAIMS[name], evidence)
        assert (row["verdict"], row["reason"]) == (NOT_RUN, f"{run} is not in the configuration")

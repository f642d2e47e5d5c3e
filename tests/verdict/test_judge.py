"""Each test of a claim, with a result that passes and one that fails."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from bptubeformer.claims import load_claims
from bptubeformer.data.trajectories import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.evaluation.predictions import FILE, Predictions
from bptubeformer.verdict import models
from bptubeformer.verdict.evidence import Evidence
from bptubeformer.verdict.judge import (
    CONTRADICTED,
    DIFFERS,
    NOT_RUN,
    NOT_STATED,
    NOT_TESTABLE,
    RECONSTRUCTION,
    REPRODUCED,
    VERDICTS,
    judge,
    verdict_table,
)
from bptubeformer.verdict.outcome import OF_RESULTS, TESTS, decides

CLAIMS = {claim.id: claim for claim in load_claims()}
DECIDING = sorted({c.test for c in CLAIMS.values() if c.test and not c.verdict})
FALSE = {"cost_of_length", "saving_in_tokeniser", "well_clustered"}
"""Tests of claims that are false even where all the rest of the paper is right."""


def table(name, change):
    """Change a table of the results; ``change`` takes and gives a data frame."""

    def apply(evidence, monkeypatch):
        path = evidence.results / "tables" / f"{name}.csv"
        change(pd.read_csv(path)).to_csv(path, index=False)

    return apply


def cell(name, column, value, **where):
    """Set a column of the rows of a table where other columns have these values."""

    def change(rows):
        chosen = np.logical_and.reduce([rows[key] == wanted for key, wanted in where.items()])
        rows[column] = rows[column].where(~chosen, value)
        return rows

    return table(name, change)


def mean(run, value):
    return cell("accuracy", "balanced_accuracy_mean", value, run=run)


def recall(category, value):
    return cell("recalls", "recall", value, category=category, run="BPT-V2", unit="segment")


def record(**changes):
    def apply(evidence, monkeypatch):
        path = evidence.results / "as-published" / "BPT-V2" / "fold1" / "run.json"
        about = json.loads(path.read_text())
        for key, value in changes.items():
            about[key] = about[key] | value if isinstance(value, dict) else value
        path.write_text(json.dumps(about))

    return apply


def without_a_class(evidence, monkeypatch):
    path = evidence.results / "data" / "frames.safetensors"
    store = FrameStore.load(path)
    kept = [name for name in store.categories if name != "Arson"]
    rows = store.trajectories[store.trajectories["category"] != "Arson"].reset_index(drop=True)
    number = len(rows)
    FrameStore(
        store.frames[:number], store.frame_number[:number], store.offsets[: number + 1], rows,
        tuple(kept),
    ).save(path)  # fmt: skip


def one_video_a_class(evidence, monkeypatch):
    path = evidence.results / "data" / "frames.safetensors"
    store = FrameStore.load(path)
    rows = store.trajectories.drop_duplicates("category").reset_index(drop=True)
    number = len(rows)
    FrameStore(
        store.frames[:number], store.frame_number[:number], store.offsets[: number + 1], rows,
        store.categories,
    ).save(path)  # fmt: skip


def wider_frames(evidence, monkeypatch):
    path = evidence.results / "data" / "frames.safetensors"
    arrays = load_file(path)
    arrays["frames"] = np.zeros((789, 36), np.float32)
    save_file(arrays, path)


def wrong_label(evidence, monkeypatch):
    path = evidence.results / "as-published" / "BPT-V2" / "fold0" / FILE
    shown = Predictions.load(path)
    shown.labels[0] = 5
    shown.save(path)


def attention_without_knees(evidence, monkeypatch):
    path = evidence.results / "as-published" / "BPT-V2" / "fold0" / "attention.safetensors"
    arrays = load_file(path)
    del arrays["attention knees"]
    save_file(arrays, path)


def patch(module, name, value):
    return lambda evidence, monkeypatch: monkeypatch.setattr(module, name, value)


def configure(section, run, **changes):
    def apply(evidence, monkeypatch):
        evidence.config[section][run] |= changes

    return apply


SMALL_PARTS = {"torso": ((0, 1), (2, 3)), "elbows": ((7, 8),)}
ORDER = dict(reversed(list(models.PART_COLOURS.items())))
FLIPS = {
    "above_chance": cell("accuracy", "interval_low", 0.07, run="M1.2"),
    "accuracy": cell("accuracy", "interval_low", 0.4983, run="BPT-V2"),
    "attention_follows_movement": cell("movement", "minus_shuffled_low", -0.1, order="true"),
    "attention_shapes": attention_without_knees,
    "categories": without_a_class,
    "class_recall": recall("Vandalism", 0.03),
    "class_reduced": recall("Arson", 0.30),
    "classes_above": recall("Robbery", 0.51),
    "classes_improve": recall("Fighting", 0.39),
    "concatenated": cell("transformers", "width", 64, transformer="body_part_transformer"),
    "cost_of_length": table("complexity_ratios", lambda rows: rows.assign(ratio_thop=1.9)),
    "cost_ratio": cell("complexity", "macs_thop", 300.0, run="ST-Tran"),
    "counted": cell("complexity", "params", None, run="M1.2"),
    "default_padding": record(run={"padding": "replicate"}),
    "early_stopping": record(best_epoch=6),
    "extreme_class": recall("Abuse", 0.10),
    "falls": mean("BPT-V3", 0.4931),
    "folds": cell("accuracy", "folds", 5, protocol="as-published"),
    "heads": cell("transformers", "heads", 4, run="BPT-V2"),
    "highest": mean("BPT-k3x3x3", 0.4983),
    "imbalanced": one_video_a_class,
    "kernel_is_stride": cell("accuracy", "stride", "(1, 3, 3)", run="BPT-V4"),
    "keypoints": wider_frames,
    "largest_part": patch(models, "PARTS", SMALL_PARTS),
    "lower": mean("BPT-V2-replicate", 0.4950),
    "lowest": mean("BPT-k8x3x3", 0.4769),
    "macs": cell("complexity", "macs_thop", 613.56, run="ST-Tran"),
    "matches": mean("TTubeFormer", 0.4870),
    "matches_at_less_cost": cell("complexity", "macs_thop", 400.0, run="BPT-V2"),
    "mean_silhouette": cell("silhouettes", "mean", 0.2, group="all"),
    "padding_needed": patch(models, "PARTS", {"elbows": ((7, 8),), "wrists": ((9, 10),)}),
    "padding_of_pairs": patch(models, "part_grids", lambda padding: [[[0, 1]]] * 5),
    "parameters": cell("complexity", "params", 4.84, run="BPT-V2"),
    "part_encoders": table("transformers", lambda rows: rows[
        rows["transformer"] != "tubelet_transformers.knees"]),
    "parts": patch(models, "PARTS", ORDER),
    "saving_in_tokeniser": cell("complexity_stages", "macs_thop", 9999.0, run="ST-Tran",
                                stage="tokeniser"),
    "segment_labels": wrong_label,
    "shorter_is_better": table("accuracy", lambda rows: rows.assign(
        balanced_accuracy_mean=1 - rows["balanced_accuracy_mean"])),
    "silhouette_sign": cell("silhouettes", "share_positive", 0.51, group="Burglary"),
    "silhouette_tail": table("silhouettes", lambda rows: rows.assign(
        share_positive=1 - rows["share_positive"])),
    "square_grids": patch(models, "part_grids", lambda padding: [[[0, 1]]] * 5),
    "tokeniser": cell("complexity_stages", "modules", "5 Linear", stage="tokeniser"),
    "tokens": cell("transformers", "width", 512, transformer="temporal_transformer"),
    "trained": table("accuracy", lambda rows: rows[rows["run"] != "BPT-8-V1"]),
    "training_setting": record(training={"learning_rate": 0.01}),
    "tubelet_matrices": configure("runs", "BPT-V2", stride=[1, 3, 3]),
    "tubelets": cell("transformers", "tokens", 6, run="BPT-V2"),
    "various_metrics": table("metrics", lambda rows: rows.head(1)),
    "videos": one_video_a_class,
    "well_clustered": cell("silhouettes", "mean", 0.3, group="all"),
}  # fmt: skip


def verdicts(evidence, test):
    fresh = Evidence(evidence.results, evidence.config)
    return [judge(claim, fresh)["verdict"] for claim in CLAIMS.values() if claim.test == test]


def test_every_test_that_decides_is_turned_round_here():
    assert set(FLIPS) | {"reconstruction"} == set(DECIDING)


@pytest.mark.parametrize("test", sorted(FLIPS))
def test_a_result_passes_and_another_fails(evidence, monkeypatch, test):
    before = verdicts(evidence, test)
    assert set(before) == {DIFFERS if test in FALSE else REPRODUCED}
    FLIPS[test](evidence, monkeypatch)
    after = verdicts(evidence, test)
    flipped = NOT_RUN if test == "trained" else REPRODUCED if test in FALSE else DIFFERS
    assert flipped in after


def test_a_reconstruction_is_never_reproduced(evidence):
    row = judge(CLAIMS["T02"], evidence)
    assert row["verdict"] == RECONSTRUCTION
    assert row["paper"] == "0.3820"
    assert row["here"].startswith("0.3820 ± 0.0020")


def test_every_claim_has_a_verdict_and_its_evidence(evidence):
    found = verdict_table(evidence)
    assert found["id"].tolist() == list(CLAIMS)
    assert found["verdict"].isin(VERDICTS).all()
    kinds = found.set_index("id")["verdict"]
    assert (kinds[kinds.index.str.startswith("K")] == CONTRADICTED).all()
    assert (kinds[kinds.index.str.startswith("G")] == NOT_STATED).all()
    assert not (kinds == NOT_RUN).any()
    decided = found[found["verdict"].isin([REPRODUCED, DIFFERS, RECONSTRUCTION])]
    assert (decided["here"] != "").all()
    assert (decided["evidence"] != "").all()
    assert (found.loc[found["verdict"] == NOT_TESTABLE, "reason"] != "").all()


def test_differences_are_ours_minus_the_papers(evidence):
    assert judge(CLAIMS["X01"], evidence)["difference"] == pytest.approx(0.032448)
    assert judge(CLAIMS["T04"], evidence)["difference"] == 0
    assert judge(CLAIMS["Q02"], evidence)["difference"] is None


def test_choices_show_the_configuration(evidence):
    row = judge(CLAIMS["G01"], evidence)
    assert "architecture.depth = 4" in row["here"]
    assert row["evidence"] == "config.yaml"
    assert "runs.M1.2.local_width = 128" in judge(CLAIMS["G13"], evidence)["here"]
    del evidence.config["runs"]["M1.2"]
    assert "runs.M1.2.local_width = left out" in judge(CLAIMS["G13"], evidence)["here"]


def test_contradictions_show_what_was_computed_but_are_not_decided_by_it(evidence):
    row = judge(CLAIMS["K02"], evidence)
    assert row["verdict"] == CONTRADICTED
    assert row["here"] == "BPT-V2-replicate 0.4790"
    assert "over 2 seeds 0.0030" in judge(CLAIMS["K22"], evidence)["here"]
    assert "BPT-8-V2 92 tubelets" in judge(CLAIMS["K09"], evidence)["here"]
    assert "ST-Tran 613.5" in judge(CLAIMS["K10"], evidence)["here"]


@pytest.mark.parametrize("name", ["synthetic", "mine"])
def test_on_another_dataset_no_result_is_reproduced(evidence, name):
    """What needs no data is decided all the same."""
    evidence.config["dataset"] |= {"name": name, "source": "synthetic"}
    found = verdict_table(evidence).set_index("id")
    for claim in CLAIMS.values():
        verdict = found.at[claim.id, "verdict"]
        if claim.test in OF_RESULTS and not claim.verdict:
            assert verdict == NOT_TESTABLE, claim.id
            assert "another dataset" in found.at[claim.id, "reason"]
            assert not found.at[claim.id, "difference"] >= 0
        elif claim.test and not claim.verdict:
            assert verdict in (REPRODUCED, DIFFERS), claim.id
    exact = ["X01", "X02", "X03", "X04", "X05", "R13", "R14", "Q06", "N08"]
    assert (found.loc[exact, "verdict"] == REPRODUCED).all()
    assert (found.loc[["X06", "X07"], "verdict"] == DIFFERS).all()
    assert found.at["T04", "here"].startswith("0.4982")


def test_made_up_data_is_not_the_papers_whatever_its_name(evidence):
    evidence.config["dataset"]["source"] = "synthetic"
    assert judge(CLAIMS["T04"], evidence)["verdict"] == NOT_TESTABLE


def test_early_stopping_that_never_happened_is_not_reproduced(evidence):
    for run in evidence.config["runs"]:
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
        ("B01", mean("M1.2", 0.5)),
        ("D02", without_a_class),
        ("F03", cell("recalls", "recall", 0.9, category="Abuse", run="ST-Tran")),
        ("F04", cell("recalls", "recall", 0.49, category="Vandalism", run="ST-Tran")),
        ("L01", cell("silhouettes", "mean", 0.3, group="Abuse")),
        ("N02", cell("transformers", "heads", 4, run="BPT-V2")),
        ("Q05", cell("transformers", "tokens", 99, run="BPT-k8x3x3")),
        ("Q07", mean("BPT-8-V2", 0.4980)),
        ("Q08", mean("BPT-k2x3x3-s1x3x3-w384", 0.4990)),
        ("R05", cell("transformers", "tokens", 7, run="BPT-V2")),
        ("S02", record(best_epoch=5)),
        ("X05", cell("complexity", "params", 8.0, run="ST-Tran")),
    ],
)
def test_every_part_of_a_claim_counts(evidence, monkeypatch, claim, change):
    assert judge(CLAIMS[claim], evidence)["verdict"] == REPRODUCED
    change(evidence, monkeypatch)
    assert judge(CLAIMS[claim], Evidence(evidence.results, evidence.config))["verdict"] == DIFFERS


def test_figures_of_another_run_decide_nothing(evidence):
    evidence.config["figures"]["run"] = "BPT-V3"
    for name in ("L01", "N02", "N13", "S07"):
        row = judge(CLAIMS[name], evidence)
        assert row["verdict"] == NOT_RUN
        assert row["reason"] == "the figures are of BPT-V3, the claim is about BPT-V2"


def test_runs_that_a_user_adds_are_not_the_papers(evidence):
    evidence.config["runs"]["mine"] = {"model": "m12", "experiment": "x", "segment_length": 24}
    rows = pd.read_csv(evidence.results / "tables" / "accuracy.csv")
    mine = rows.iloc[[0]].assign(run="mine", balanced_accuracy_mean=0.9, interval_low=0.01)
    pd.concat([rows, mine]).to_csv(evidence.results / "tables" / "accuracy.csv", index=False)
    for name in ("Q13", "F07", "S01", "S06"):
        assert judge(CLAIMS[name], evidence)["verdict"] == REPRODUCED, name


def test_one_run_of_all_left_out_leaves_all_undecided(evidence):
    table("accuracy", lambda rows: rows[rows["run"] != "M1.2"])(evidence, None)
    for name in ("Q13", "F07"):
        assert judge(CLAIMS[name], evidence)["reason"] == "M1.2 was not trained"


def test_what_was_not_computed_is_not_run(evidence):
    table("accuracy", lambda rows: rows[rows["run"] == "BPT-V2"])(evidence, None)
    (evidence.results / "tables" / "silhouettes.csv").unlink()
    fresh = Evidence(evidence.results, evidence.config)
    for name, words in {
        "T01": "ST-Tran was not trained",
        "Q08": "BPT-V2-w384 was not trained: snakemake extended",
        "Q12": "ST-Tran was not trained",
        "L01": "tables/silhouettes.csv was not made",
    }.items():
        row = judge(CLAIMS[name], fresh)
        assert (row["verdict"], row["reason"]) == (NOT_RUN, words)
    assert judge(CLAIMS["T04"], fresh)["verdict"] == REPRODUCED


def test_a_class_or_part_that_results_lack_decides_nothing(evidence):
    table("recalls", lambda rows: rows[rows["category"] != "Arson"])(evidence, None)
    table("silhouettes", lambda rows: rows[rows["group"] != "Assault"])(evidence, None)
    cell("movement", "interval_low", float("nan"), part="wrists", order="true")(evidence, None)
    reasons = verdict_table(evidence).query("verdict == @NOT_RUN")["reason"]
    for words in (
        "hr-crime has no test segment of Arson", "no test segment of Assault",
        "a body part has no test segment whose movement can be followed",
    ):  # fmt: skip
        assert words in set(reasons)


def test_a_record_that_is_none_is_refused(evidence):
    path = evidence.folds_of("BPT-V2")[0] / "run.json"
    for text in ("[1]", "{"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"run\.json: not the record of a training"):
            evidence.records_of(["BPT-V2"])


def test_an_empty_result_reproduces_nothing_that_has_to_be_computed(tmp_path, evidence):
    found = verdict_table(Evidence(tmp_path / "nothing", evidence.config)).set_index("id")
    reproduced = found.index[found["verdict"] == REPRODUCED]
    # The grids of the body parts are facts of the package.
    assert set(reproduced) == {"R07", "R08", "R09", "R10", "R12"}


def test_the_controls_are_read_from_their_folder(evidence):
    path = evidence.results / "extended"
    path.mkdir()
    rows = pd.read_csv(evidence.results / "tables" / "accuracy.csv")
    rows.assign(balanced_accuracy_mean=0.1).to_csv(path / "accuracy.csv", index=False)
    extended = Evidence(evidence.results, evidence.config, "extended")
    assert judge(CLAIMS["T04"], extended)["here"].startswith("0.1000")
    assert judge(CLAIMS["T04"], extended)["evidence"] == "extended/accuracy.csv"


def test_two_tests_of_one_name_are_refused():
    def highest(claim, evidence):
        raise AssertionError("never called")

    with pytest.raises(ValueError, match="two tests of claims are named highest"):
        decides(results=True)(highest)
    assert TESTS["highest"] is not highest

import copy
import inspect
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bptubeformer.checks import check_config, check_fits
from bptubeformer.cli import settings_of
from bptubeformer.config import (
    categories_of,
    model_of,
    portable,
    resolve_overlays,
    studies_of,
    training_of,
    without_local_paths,
)
from bptubeformer.errors import InputError
from bptubeformer.models import OF_THE_DATA
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.m12 import M12
from bptubeformer.models.sttran import STTran
from bptubeformer.models.ttubeformer import TTubeFormer
from bptubeformer.questions import with_questions
from bptubeformer.settings import SplitSettings, TrainingSettings
from bptubeformer.skeleton import FOLDER
from bptubeformer.study import Study
from checkout import base_config
from conftest import REPOSITORY
from ugly import LABELS

BASE = REPOSITORY / "config.yaml"


@pytest.fixture
def config():
    return base_config()


def overlay(config, changes):
    """Lay a second configuration file over the first, as Snakemake does."""
    merged = copy.deepcopy(config)

    def merge(into, new):
        for key, value in new.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                merge(into[key], value)
            else:
                into[key] = value

    merge(merged, changes)
    return merged


def test_the_paper_is_valid(config):
    check_config(config)


def test_the_demonstration_is_valid(config):
    merged = overlay(config, yaml.safe_load((REPOSITORY / "demo.yaml").read_text()))
    merged.update(resolve_overlays(merged, BASE))
    check_config(merged)


def test_the_runs_of_table_1_are_declared(config):
    assert list(studies_of(config)["paper"].runs) == [
        "ST-Tran", "M1.2", "BPT-V1", "BPT-V2", "BPT-k3x3x3", "BPT-V3", "BPT-V4", "BPT-k6x3x3",
        "BPT-k7x3x3", "BPT-k8x3x3", "BPT-8-V1", "BPT-8-V2", "BPT-V2-replicate", "BPT-V2-T60",
        "T-Tran", "TTubeFormer",
    ]  # fmt: skip


def test_the_controls_undo_what_the_paper_confounds(config):
    papers, controls = (studies_of(config)[name].runs for name in ("paper", "controls"))
    assert list(controls)[: len(papers)] == list(papers)
    controls = {name: run for name, run in controls.items() if name not in papers}
    kernels = [
        run["kernel"][0] for run in controls.values()
        if run.get("body_part_width") == 384 and run["kernel"] == run["stride"]
    ]  # fmt: skip
    assert kernels == list(range(1, 9))
    assert controls["ST-Tran-T24"]["segment_length"] == 24
    assert (controls["BPT-k2x3x3-s1x3x3"]["kernel"], controls["BPT-k2x3x3-s1x3x3"]["stride"]) == (
        [2, 3, 3], [1, 3, 3],
    )  # fmt: skip
    lengths = {run["segment_length"] for run in controls.values() if run["model"] == "bptubeformer"}
    assert lengths == {12, 24, 36, 48}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainig": {}}, ["config: trainig = {}", "did you mean training"]),
        ({"training": {"learning_rat": 1}}, ["training.learning_rat = 1", "learning_rate?"]),
        ({"training": {"epsilon": "tiny"}}, ["training.epsilon = tiny", "such as 1e-9"]),
        ({"training": {"batch_size": "5"}}, ["training.batch_size", "a whole number"]),
        ({"training": {"batch_size": "1e-3"}}, ["training.batch_size", "a whole number"]),
        ({"runs": {"bpt-v2": {"model": "m12", "experiment": "x", "segment_length": 24}}},
         ["runs.bpt-v2", "runs.BPT-V2 has the same name (case is ignored); rename"]),
        ({"runs": {"ST-Tran": {"depth": "four"}}}, ["runs.ST-Tran.depth = four", "whole number"]),
        ({"runs": {"ST-Tran": {"heads": 0}}}, ["runs.ST-Tran.heads = 0", "at least 1"]),
        ({"runs": {"ST-Tran": {"dropout": 1.0}}}, ["runs.ST-Tran.dropout = 1.0", "below 1"]),
        ({"runs": {"ST-Tran": {"training": {"betas": [0.9, 2]}}}},
         ["runs.ST-Tran.training.betas.1 = 2", "from 0 to below 1"]),
        ({"runs": {"ST-Tran": {"training": {"speed": 2}}}},
         ["runs.ST-Tran.training.speed = 2", "unknown key"]),
        ({"architecture": {"colour": 2}}, ["architecture.colour = 2", "unknown key"]),
        ({"architecture": {"padding": "zero"}}, ["architecture.padding = zero", "replicate"]),
        ({"training": {"batch_size": 0}}, ["training.batch_size = 0", "at least 1"]),
        (
            {"runs": {"BPT-V2": {"kernel": [25, 3, 3]}}},
            ["runs.BPT-V2.kernel = [25, 3, 3]", "longer than the 24 frames", "use at most 24"],
        ),
        (
            {"runs": {"BPT-V2": {"kernel": [2, 4, 3]}}},
            ["runs.BPT-V2.kernel = [2, 4, 3]", "along rows", "use at most 3"],
        ),
        ({"runs": {"BPT-V2": {"kernel": [2, 3]}}}, ["runs.BPT-V2.kernel = [2, 3]", "three whole"]),
        (
            {"runs": {"BPT-V2": {"token_width": 30}}},
            ["runs.BPT-V2.token_width = 30", "8 heads", "use 24 or 32"],
        ),
        ({"runs": {"X": {"model": "bptubeformer", "experiment": "x", "segment_length": 1}}},
         ["runs.X.kernel is missing", "bptubeformer needs it"]),
        ({"architecture": {"token_width": 30}}, ["architecture.token_width = 30", "8 heads"]),
        ({"dataset": {"source": "https://doi.org/10.34894/IRRDJE"}},
         ["write a DOI as doi:10.34894/IRRDJE"]),
        ({"dataset": {"source": "10.34894/IRRDJE"}}, ["write a DOI as doi:10.34894/IRRDJE"]),
        ({"runs": {"ST-Tran": {"kernel": [2, 3, 3]}}}, ["runs.ST-Tran.kernel", "no such key"]),
        ({"runs": {"BPT-V2": {"kernl": [2, 3, 3]}}}, ["runs.BPT-V2.kernl", "did you mean kernel"]),
        ({"runs": {"X": {"model": "cnn", "experiment": "x", "segment_length": 24}}},
         ["runs.X.model = cnn", "no such model; one of alstm, ", ", ttran, ttubeformer"]),
        ({"runs": {"X": {"model": "sttran", "experiment": "x"}}},
         ["runs.X.segment_length is missing"]),
        ({"runs": {"a b": {"model": "sttran", "experiment": "x", "segment_length": 24}}},
         ["a b", "letters, digits"]),
        ({"dataset": {"source": "/no/such/folder"}},
         ["dataset.source = /no/such/folder", "no such folder"]),
        ({"dataset": {"server": "dataverse.nl"}}, ["dataset.server = dataverse.nl", "http(s)"]),
        ({"protocols": ["by-video"]}, ["protocols.0 = by-video", "as-published, trajectory"]),
        ({"device": "tpu"}, ["device = tpu", "auto, cpu, cuda"]),
        ({"device": "cpu\n"}, ["device = ", "auto, cpu, cuda"]),
        ({"dataset": {"max_rejected": float("nan")}}, ["dataset.max_rejected = .nan"]),
        ({"dataset": {"max_gigabytes": float("inf")}}, ["dataset.max_gigabytes = .inf"]),
        ({"training": {"learning_rate": float("nan")}}, ["training.learning_rate = .nan"]),
        ({"split": {"folds": 3.0}}, ["split.folds = 3.0", "a whole number"]),
        ({"runs": {"ST-Tran": {"segment_length": 24.0}}}, ["segment_length = 24.0"]),
        ({"windows": {"step": True}}, ["windows.step = true", "at least 1"]),
        ({"training": {"batch_size": 10**30}}, ["training.batch_size", "at most 100000"]),
        ({"categories": {"mine": ["A", "a "]}}, ["categories.mine", "are one but for case"]),
        ({"dataset": {"server": "http://["}}, ["dataset.server = http://[: not a valid address"]),
        ({"dataset": {"source": "http://[x"}}, ["dataset.source = http://[x: not a valid address"]),
        ({"dataset": {"source": "x" * 300}}, ["dataset.source = xxx", "no such folder"]),
        ({"dataset": {"max_rejected": 1}}, ["dataset.max_rejected = 1", "from 0 to below 1"]),
        ({"dataset": {"max_gigabytes": 0}}, ["dataset.max_gigabytes = 0", "above 0"]),
        ({"categories": {"mine": ["a", "b\nc"]}}, ["categories.mine.1 = ", "in one line"]),
        ({"studies": {"paper": {"shown": "BPT-V9"}}},
         ["studies.paper.shown = BPT-V9", "no such run; one of ST-Tran"]),
        ({"studies": {"paper": {"shown": "ST-Tran"}}}, ["studies.paper.shown = ST-Tran", "parts"]),
        ({"studies": {"partition": {"shown": "BPT-V2@limbs"}}},
         ["studies.partition.shown = BPT-V2@limbs", "tubelets of the skeleton's body parts"]),
        ({"runs": {"BPT-V2@limbs": {"partition": "arms"}}},
         ["runs.BPT-V2@limbs.partition = arms", "skeleton, limbs, halves, sides or random"]),
        ({"studies": {"paper": {"shown": "TTubeFormer"}}}, ["paper.shown = TTubeFormer", "parts"]),
        ({"runs": {"BPT-V9": {"training": {"max_epochs": 1}}}},
         ["runs.BPT-V9", "no such run; known: ST-Tran, M1.2", "a new one needs model"]),
        ({"studies": {"Paper": {"question": "?", "runs": ["BPT-V2"], "baseline": "BPT-V2",
                                "shown": "BPT-V2"}}},
         ["studies.Paper", "studies.paper has the same name", "rename"]),
        ({"studies": {"train": {"question": "?", "runs": ["BPT-V2"], "baseline": "BPT-V2",
                                "shown": "BPT-V2"}}},
         ["studies.train", "the name of a stage or folder; rename the study"]),
        ({"studies": {"quick": {"runs": ["BPT-V9"]}}},
         ["studies.quick.runs = BPT-V9", "no such run or study; did you mean BPT-V"]),
        ({"studies": {"quick": {"runs": []}}}, ["studies.quick.runs = []", "no run is left"]),
        ({"studies": {"quick": {"runs": ["BPT-V2", "ST-Tran-T24", "ST-Tran-T24@source"]}}},
         ["runs.ST-Tran-T24@source.training = source", "sttran has none", "name the settings"]),
        ({"runs": {"BPT-inflate": {"training": {"start_from": "BPT"}}}},
         ["runs.BPT-inflate.training.start_from = BPT", "no such run", "did you mean BPT-V"]),
        ({"runs": {"BPT-inflate": {"training": {"start_from": "BPT-V2-longer"}}}},
         ["runs.BPT-inflate.training.start_from = BPT-V2-longer", "needs other runs itself"]),
        ({"runs": {"BPT-V2": {"training": {"loss": "balanced-error"}}}},
         ["runs.BPT-V2.training.loss = balanced-error", "no gradient for adam", "seagull or"]),
        ({"studies": {"quick": {"runs": ["BPT-V2", "ST-Tran-T24", "BPT-V2-longer"]}}},
         ["studies.quick.runs", "BPT-V2-longer needs BPT-uniform", "add it, or leave"]),
        ({"studies": {"tubelets": {"leakage": ["BPT-inflate"]}}},
         ["studies.tubelets.leakage", "BPT-inflate needs BPT-uniform"]),
        ({"studies": {"quick": {"identity": ["BPT-V2"]}}},
         ["studies.quick.identity = BPT-V2", "name it in studies.quick.leakage too"]),
        ({"studies": {"quick": {"identity": ["T-Tran"]}}},
         ["studies.quick.identity.0 = T-Tran", "no such run; one of ST-Tran-T24, BPT-V2"]),
        ({"studies": {"quick": {"findings": {"Is it?": [["BPT-V2"], "ST-Tran-T24"]}}}},
         ["studies.quick.findings.Is it? = [BPT-V2]", "no such run"]),
        ({"studies": {"quick": {"leakage": ["ST-Tran"]}}},
         ["studies.quick.leakage.0 = ST-Tran", "no such run; one of ST-Tran-T24, BPT-V2"]),
        ({"studies": {"quick": {"findings": {"Is it?": ["BPT-V2", "ST-Tran"]}}}},
         ["studies.quick.findings.Is it? = ST-Tran", "no such run; one of ST-Tran-T24, BPT-V2"]),
        ({"studies": {"quick": {"findings": {"Is it?": ["BPT-V2"]}}}},
         ["studies.quick.findings.Is it? = [BPT-V2]", "the names of two runs"]),
        ({"studies": {"quick": {"findings": {"Is it?": ["BPT-V2", "ST-Tran-T24", "noise"]}}}},
         ["studies.quick.findings.Is it? = BPT-V2", "name it in calibration"]),
        ({"studies": {"quick": {"findings": {"Is it?": ["BPT-V2", "chance"]}}}},
         ["studies.quick.findings.Is it? = chance", "no such run"]),
        ({"studies": {"quick": {"findings": {"Is it?": ["BPT-V2", "ST-Tran-T24", "BPT-V1"]}}}},
         ["studies.quick.findings.Is it? = BPT-V1", "no such measure; one of calibration error"]),
        ({"studies": {"uncertainty": {"findings": {
            "Is it?": ["BPT-V2", "chance", "left-out classes"]}}}},
         ["studies.uncertainty.findings.Is it? = BPT-V2", "it leaves out no class"]),
        ({"studies": {"uncertainty": {"findings": {"Is it?": ["BPT-V2", "chance", "unlabelled"]}}}},
         ["studies.uncertainty.findings.Is it? = unlabelled", "set dataset.unlabelled"]),
        ({"studies": {"uncertainty": {"findings": {
            "Is it?": ["BPT-V2", "chance", "calibration error"]}}}},
         ["studies.uncertainty.findings.Is it? = chance", "no such run"]),
        ({"studies": {"quick": {"protocols": []}}}, ["studies.quick.protocols = []"]),
        ({"studies": {"quick": {"question": "a\nb"}}}, ["studies.quick.question", "one line"]),
        ({"runs": {"BPT-V2-w384": {"body_part_width": 380}}},
         ["runs.BPT-V2-w384.body_part_width = 380", "8 heads; use 376 or 384"]),
        ({"runs": {"TTubeFormer": {"kernel": [5, 6, 2]}}},
         ["runs.TTubeFormer.kernel = [5, 6, 2]", "along rows", "use at most 5"]),
        ({"runs": {"BPT-V2": 5}}, ["runs.BPT-V2 = 5", "a mapping with model"]),
        ({"runs": {"SkateFormer": {"segment_length": 60}}},
         ["runs.SkateFormer = ", "segment_length % (8 * partition_length) == 0; segment_l"]),
        ({"runs": {"BPT-V2": {"coordinates": "metres"}}},
         ["runs.BPT-V2.coordinates = metres", "expected pixels, frame or box"]),
        ({"runs": {"BPT-V2": {"coordinates": "frame"}}},
         ["runs.BPT-V2.coordinates = frame", "set dataset.image_size to its width and height"]),
        ({"architecture": {"coordinates": "frame"}},
         ["architecture.coordinates = frame", "set dataset.image_size"]),
        ({"architecture": {"image_size": [320, 240]}}, ["architecture.image_size", "unknown key"]),
        ({"runs": {"BPT-V2": {"image_size": [320, 240]}}},
         ["runs.BPT-V2.image_size = [320, 240]", "no such key"]),
        ({"training": {"warmup_epochs": 0.5}}, ["training.warmup_epochs = 0.5", "whole number"]),
        ({"seeds": []}, ["seeds = []", "1 to 100"]),
        ({"seeds": [1, 1]}, ["seeds = [1, 1]", "different"]),
        ({"statistics": {"learned": 1.5}}, ["learned = 1.5", "a number between 0 and 1, or null"]),
        ({"statistics": {"minimum_videos": 1}}, ["minimum_videos = 1", "at least 2"]),
        ({"statistics": {"bootstrap_samples": 10}}, ["bootstrap_samples = 10", "at least 100"]),
        ({"figures": {"fold": 3}}, ["figures.fold = 3", "at most 2"]),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_in_one_line(config, changes, words):
    with pytest.raises(InputError) as refusal:
        check_config(overlay(config, changes))
    message = str(refusal.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1e-3", 0.001), ("1E-3", 0.001), (".5", 0.5), ("1e-03", 0.001), ("2.5e-1", 0.25)],
)
def test_numbers_are_read_as_people_write_them(config, written, expected):
    """YAML 1.1 takes 1e-3 for a text; so does ``--config``."""
    given = overlay(config, yaml.safe_load(f"training: {{learning_rate: {written}}}"))
    assert check_config(given)["training"]["learning_rate"] == expected
    given = overlay(config, yaml.safe_load("training: {batch_size: 1e2}"))
    batch_size = check_config(given)["training"]["batch_size"]
    assert (batch_size, type(batch_size)) == (100, int)
    run = overlay(config, {"runs": {"ST-Tran": {"dropout": written, "training": {
        "learning_rate": written, "max_epochs": "1e1"}}}})  # fmt: skip
    entry = check_config(run)["runs"]["ST-Tran"]
    assert (entry["dropout"], entry["training"]) == (
        expected, {"learning_rate": expected, "max_epochs": 10},
    )  # fmt: skip


def test_a_valid_configuration_stays_as_it_is(config):
    """But for its arms, which have whole entries after all runs, and questions about several."""
    checked = check_config(config)
    runs = {name: run for name, run in checked["runs"].items() if "@" not in name}
    studies = with_questions(config["studies"])
    assert {**checked, "runs": runs} == {**config, "studies": studies}
    assert json.dumps(checked) == json.dumps(check_config(checked))
    assert list(checked["runs"])[: len(runs)] == list(config["runs"])


def test_an_overlay_leaves_a_run_out_with_null(config):
    merged = overlay(config, {"runs": {"ST-Tran": None}})
    merged.update(resolve_overlays(merged, BASE))
    check_config(merged)
    assert next(iter(merged["runs"])) == "M1.2"
    assert merged["studies"]["paper"]["leakage"] == ["BPT-V2"]
    assert "ST-Tran" not in studies_of(merged)["controls"].runs


def test_an_overlay_leaves_a_study_out_with_null_and_adds_a_run_to_the_first(config):
    merged = overlay(config, {"studies": {"quick": None}, "runs": {"mine": RUN}})
    merged.update(resolve_overlays(merged, BASE))
    studies = studies_of(check_config(merged))
    assert list(studies) == [
        "paper", "controls", "comparators", "optimisers", "tubelets", "regularisation",
        "partition", "inductive-bias", "uncertainty", "identity",
    ]  # fmt: skip
    assert list(studies["paper"].runs)[-1] == "mine"


def test_a_question_about_a_run_that_is_left_out_is_not_asked(config):
    merged = overlay(config, {
        "runs": {"LSTM": None},
        "studies": {"comparators": {"findings": {"Does the box help BPT-V2?": None}}},
    })  # fmt: skip
    merged.update(resolve_overlays(merged, BASE))
    asked = studies_of(check_config(merged))["comparators"].findings
    given = with_questions(config["studies"])["comparators"]["findings"]
    assert set(given) - set(asked) == {"Is LSTM better than BPT-V2?", "Does the box help BPT-V2?"}


def test_a_study_that_is_left_out_gives_its_runs_to_no_other(config):
    merged = overlay(config, {"studies": {"controls": None}})
    merged.update(resolve_overlays(merged, BASE))
    paper = studies_of(check_config(merged))["paper"]
    assert list(paper.runs) == config["studies"]["paper"]["runs"]
    assert [run for run in paper.counted if run not in paper.runs] == [
        "BPT-8-V1-e32", "BPT-8-V2-e32",
    ]  # fmt: skip


def test_the_quick_study_compares_two_runs_of_one_length_without_leakage(config):
    quick = studies_of(config)["quick"]
    assert (list(quick.runs), quick.protocols) == (["ST-Tran-T24", "BPT-V2"], ["video"])
    assert {run["segment_length"] for run in quick.runs.values()} == {24}
    assert not quick.claims


def test_a_part_of_a_study_holds_what_was_asked_for_and_no_more(config):
    part = studies_of(config)["paper"].part("folds", "protocols")
    assert part == {"name": "paper", "results": "results/hr-crime", "folds": 3,
                    "protocols": ["as-published"]}  # fmt: skip
    study = Study.read(json.loads(json.dumps(part)))
    assert study.table("accuracy.csv") == Path("results/hr-crime/paper/tables/accuracy.csv")
    with pytest.raises(InputError, match="--study has no seeds; add it"):
        study.files("run.json", ["BPT-V2"])
    for wrong, words in (({"name": "x"}, "no results"), ({**part, "fold": 1}, "unknown key fold")):
        with pytest.raises(InputError, match=words):
            Study.read(wrong)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": {"BPT-V9": None}}, "runs.BPT-V9 = null: no such run; known: ST-Tran, M1.2"),
        ({"studies": {"paper": {"baseline": "X"}}}, "studies.paper.baseline = X: no such run; kno"),
        ({"runs": None}, "runs = null: expected a mapping"),
        ({"studies": 5}, "studies = 5: expected a mapping"),
    ],
)
def test_a_run_that_is_named_must_be_known(config, changes, words):
    with pytest.raises(InputError) as refusal:
        resolve_overlays({**config, **overlay(config, changes)}, BASE)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_skeleton_is_looked_up_before_any_job(config, tmp_path):
    config["dataset"] |= {"skeleton": "ntu-25", "source": "synthetic"}
    with pytest.raises(
        InputError, match=r"dataset.skeleton = ntu-25: the demonstration has the jo"
    ):
        check_config(config)
    config["dataset"]["source"] = str(tmp_path)
    assert model_of(check_config(config), "BPT-V2")["kernel"] == [2, 3, 3]
    config["dataset"]["skeleton"] = "openpose-25"
    assert model_of(check_config(config), "BPT-V2")["kernel"] == [2, 4, 4]
    assert model_of(config, "BPT-8-V2")["kernel"] == [2, 2, 2]
    config["runs"]["BPT-V2"]["kernel"] = ["part", 3, 3]
    with pytest.raises(InputError, match=r"runs.BPT-V2.kernel = .*'part' is not a number of"):
        check_config(config)
    config["dataset"]["skeleton"] = "coco-18"
    with pytest.raises(InputError, match=r"config: dataset.skeleton: coco-18: no such skeleton"):
        check_config(config)


def test_a_study_whose_models_know_other_joints_is_refused_and_no_other(config):
    config["dataset"] |= {"skeleton": "ntu-25", "source": "."}
    checked = check_config(config)
    check_fits(checked, "paper")
    words = r"studies\.comparators\.runs = ST-GCN: it needs joints that ntu-25 does not have: nose"
    with pytest.raises(InputError, match=words):
        check_fits(checked, "comparators")
    words = (
        r"partition\.runs = BPT-V2@limbs: the partition limbs is of the joints of coco-17; ntu-25"
    )
    with pytest.raises(InputError, match=words):
        check_fits(checked, "partition")


def test_a_table_of_labels_must_be_there(config, tmp_path):
    config["dataset"] |= {"source": str(tmp_path), "labels": str(tmp_path / "labels.csv")}
    with pytest.raises(InputError, match=r"dataset.labels = .*labels.csv: no such file; give a"):
        check_config(config)
    (tmp_path / "labels.csv").write_text("video,label\n")
    config["dataset"]["skeleton"] = str(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text((FOLDER / "coco-17.yaml").read_text())
    published = without_local_paths(check_config(config))["dataset"]
    assert (published["labels"], published["skeleton"]) == ("labels.csv", "mine.yaml")
    assert published["source"] == tmp_path.name


def test_defaults_of_the_code_are_the_values_of_the_paper(config):
    training = training_of(config, "BPT-V2")
    assert settings_of(TrainingSettings, training, "training") == TrainingSettings()
    assert settings_of(SplitSettings, config["split"], "split") == SplitSettings()
    models = {"ST-Tran": STTran, "BPT-V2": BPTubeFormer, "M1.2": M12, "TTubeFormer": TTubeFormer}
    for name, model in models.items():
        defaults = {
            key: list(parameter.default) if isinstance(parameter.default, tuple)
            else parameter.default
            for key, parameter in inspect.signature(model).parameters.items()
            if key not in OF_THE_DATA
        }  # fmt: skip
        given = {**config["architecture"], **config["runs"][name]}
        assert {key: given[key] for key in defaults} == defaults


def test_a_missing_section_is_named(config):
    del config["training"]
    with pytest.raises(InputError, match="training is missing"):
        check_config(config)


def test_a_run_takes_from_architecture_what_its_model_has(config):
    assert "padding" not in model_of(config, "ST-Tran")
    assert model_of(config, "BPT-V2")["padding"] == "constant"
    assert model_of(config, "BPT-V2")["token_width"] == 32
    assert model_of(config, "BPT-8-V1")["token_width"] == 8
    assert "experiment" not in model_of(config, "BPT-V2")
    assert model_of(config, "BPT-V2")["body_part_width"] is None
    assert model_of(config, "BPT-V2-w384")["body_part_width"] == 384


def test_the_size_of_the_frame_is_that_of_the_dataset(config):
    config["dataset"]["image_size"] = [320, 240]
    config["runs"]["BPT-V2"]["coordinates"] = "frame"
    checked = check_config(config)
    assert model_of(checked, "BPT-V2")["image_size"] == [320, 240]
    assert "image_size" not in model_of(checked, "BPT-V3")


def test_an_arm_is_a_run_with_changes_and_an_entry_of_its_own_changes_more(config):
    changes = {
        "arms": {"slow": {"training": {"learning_rate": "1e-4", "batch_size": 7}}},
        "runs": {"BPT-V2@slow": {"depth": 2, "training": {"batch_size": 5}}},
    }
    merged = overlay(config, changes)
    merged.update(resolve_overlays(merged, BASE))
    checked = check_config(merged)
    assert model_of(checked, "BPT-V2@slow") == {**model_of(checked, "BPT-V2"), "depth": 2}
    training = training_of(checked, "BPT-V2@slow")
    assert (training["learning_rate"], training["batch_size"]) == (0.0001, 5)
    assert "BPT-V2@slow" in studies_of(checked)["paper"].runs
    assert model_of(checked, "ST-GCN@box")["coordinates"] == "box"


def test_an_arm_stays_where_its_run_is_left_out_and_goes_where_it_is_itself(config):
    merged = overlay(config, {"runs": {"LSTM": None, "ST-GCN@box": None}})
    merged.update(resolve_overlays(merged, BASE))
    study = studies_of(check_config(merged))["comparators"]
    assert {"LSTM@box", "ST-GCN"} <= set(study.runs)
    assert not {"LSTM", "ST-GCN@box"} & set(study.runs)
    assert "Is ST-GCN better than BPT-V2, both in the box?" not in study.findings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": {"BPT-V2@slow": {}}}, ["runs.BPT-V2@slow = {}", "no arm slow", "box"]),
        ({"runs": {"BPT-V9@box": {}}}, ["runs.BPT-V9@box = {}", "no such run; known"]),
        ({"arms": {"box": {"coordinates": "metres"}}},
         ["runs.BPT-V2@box.coordinates = metres", "pixels, frame or box"]),
        ({"arms": {"box": 3}}, ["arms.box = 3: expected a mapping"]),
        ({"arms": {"\n": {}, 1: {}}, "runs": {"BPT-V2@slow": {}}},
         ["no arm slow; known here: 1, ", ", \\n, "]),
        ({"runs": {"BPT-V2@a\nb": {}}}, ["no arm a\\nb"]),
        ({"studies": {"quick": {"runs": ["BPT-V2@fast"]}}}, ["runs.BPT-V2@fast", "no arm fast"]),
    ],
)  # fmt: skip
def test_an_arm_that_does_not_exist_is_refused(config, changes, words):
    for resolve in (False, True):
        merged = overlay(config, changes)
        with pytest.raises(InputError) as refusal:
            if resolve:
                merged.update(resolve_overlays(merged, BASE))
            check_config(merged)
        assert all(word in str(refusal.value) for word in words), refusal.value


def test_a_run_may_change_the_training_of_all(config):
    config["runs"]["BPT-V2"]["training"] = {"batch_size": 500}
    assert training_of(config, "BPT-V2")["batch_size"] == 500
    assert training_of(config, "BPT-V2")["learning_rate"] == 0.001
    assert training_of(config, "ST-Tran")["batch_size"] == 1000


def test_only_named_datasets_have_fixed_categories(config):
    assert len(categories_of(config)) == 13
    config["dataset"]["name"] = "mine"
    assert categories_of(config) is None


def test_runs_stand_in_the_order_of_the_paper_whatever_an_overlay_touches(config):
    names = list(config["runs"])
    touched = {"new": {"model": "m12"}, **dict(reversed(config["runs"].items()))}
    settled = resolve_overlays({**config, "runs": touched}, BASE)
    assert [name for name in settled["runs"] if "@" not in name] == [*names, "new"]


NAMES = ["$(touch owned)", "a;b", "a b", "../a", "..", ".hidden", "-n", "a/b", "a\n", "a'b", "é",
         "", "x" * 101]  # fmt: skip
RUN = {"model": "sttran", "experiment": "x", "segment_length": 24}


@pytest.mark.parametrize("name", NAMES)
def test_names_become_folders_and_hold_nothing_else(config, name):
    for changes in ({"dataset": {"name": name}}, {"runs": {name: RUN}}):
        with pytest.raises(InputError, match="a name of at most 100 letters") as refusal:
            check_config(overlay(config, changes))
        assert "\n" not in str(refusal.value)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.text())
def test_any_other_name_is_made_of_what_is_allowed(name):
    base = base_config()
    try:
        check_config(overlay(base, {"dataset": {"name": name}}))
    except InputError:
        assert not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name)
    else:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**12), st.floats(), st.text(max_size=5),
    st.lists(st.integers(0, 4), max_size=4), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=50)
@given(st.data())
def test_whatever_stands_in_the_configuration_it_is_valid_or_refused_in_one_line(data):
    base = base_config()
    place, key = base, data.draw(st.sampled_from(sorted(base)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    place[key] = data.draw(LEAVES)
    try:
        check_config(base | resolve_overlays(base, BASE))
    except InputError as error:
        assert str(error).startswith("config: ")
        assert "\n" not in str(error)


def test_aliases_do_not_unfold_for_ever(config):
    value = "x"
    for _ in range(9):
        value = [value] * 10
    config["figures"]["category"] = value
    with pytest.raises(InputError, match="config: more than 200000 values"):
        check_config(config)
    del config["figures"]["category"]
    for _ in range(60):
        value = [value]
    config["architecture"]["padding"] = value
    with pytest.raises(InputError, match="or more than 50 levels"):
        check_config(config)


def test_a_long_wrong_value_is_shown_in_part(config):
    config["figures"]["category"] = ["x" * 300]
    with pytest.raises(InputError, match=r"figures.category = \[x+\.\.\.: expected a category"):
        check_config(config)
    config["figures"]["category"] = ["x"] * 2000
    with pytest.raises(InputError, match=r"figures.category = \(2000 values\): expected"):
        check_config(config)


@pytest.mark.parametrize(
    ("key", "address"),
    [("source", "https://me:secret@host/a.zip"), ("source", "https://host/a.zip?key=secret"),
     ("server", "https://me:secret@dataverse.nl"), ("server", "https://dataverse.nl?token=secret"),
     *(("source", f"https://host/a.zip{more}") for more in (
         "?sig=secret", "?X-Amz-Signature=secret", "?client_secret=secret", "?Auth=secret",
         "?x=1;token=secret", "#token=secret", "?passwd=secret"))],
)  # fmt: skip
def test_a_secret_in_an_address_is_refused_and_not_repeated(config, key, address):
    with pytest.raises(InputError, match=rf"config: dataset\.{key}: .* password or tok") as refusal:
        check_config(overlay(config, {"dataset": {key: address}}))
    assert "secret" not in str(refusal.value)


def test_where_data_stands_on_this_machine_is_told_to_nobody(config):
    local = overlay(config, {"dataset": {"source": "/home/somebody/skeletons"}})
    for shown in (without_local_paths(local), portable(local)):
        assert shown["dataset"]["source"] == "skeletons"
        assert "somebody" not in json.dumps(shown)
    assert without_local_paths(without_local_paths(local)) == without_local_paths(local)
    assert without_local_paths(config)["dataset"]["source"] == config["dataset"]["source"]


def test_verdicts_are_given_the_same_on_any_machine(config):
    elsewhere = overlay(config, {"device": "cuda:3", "slots_per_gpu": 4})
    assert portable(elsewhere) == portable(config)
    assert list(portable(config)) == sorted(config)


def texts_of(value, place=()):
    """Place of every text in a configuration; one run and one study stand for all."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, list):
        for number, item in enumerate(value[:2]):
            yield from texts_of(item, (*place, number))
    elif isinstance(value, dict):
        for key, item in list(value.items())[: 1 if place in (("runs",), ("studies",)) else None]:
            yield from texts_of(item, (*place, key))


FREE = {("studies", "paper", "question"), ("runs", "ST-Tran", "experiment"),
        ("figures", "category")}  # fmt: skip
"""Places of texts that may hold anything in one line."""
PLACES = sorted({*texts_of(base_config()), ("dataset", "checksum")}, key=str)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_every_text_of_the_configuration_may_be_ugly_or_is_refused_by_its_key(config, place):
    assert set(PLACES) >= FREE
    # One study stands for all: its runs are checked in a tenth of the time of all runs.
    study = config["studies"]["paper"]
    arms = [run for one in config["studies"].values() for run in one["runs"]
            if place[0] == "arms" and run.endswith(f"@{place[1]}")]  # fmt: skip
    runs = [*study["runs"], *(name for run in arms[:1] for name in (run.partition("@")[0], run))]
    runs = list(dict.fromkeys(runs))
    config["studies"] = {"paper": {**study, "runs": runs, "counted": runs[:2]}}
    config["runs"] = {name: config["runs"][name] for name in runs if "@" not in name}
    for label in (*LABELS, "two\nlines", "\x1b[31mred", "\u2028"):
        changed = copy.deepcopy(config)
        into = changed
        for key in place[:-1]:
            into = into[key]
        into[place[-1]] = label
        try:
            check_config(changed)
        except InputError as refusal:
            assert place not in FREE or not label.isprintable() or "/" in label
            assert str(refusal).startswith("config: ")
            assert str(place[-1] if isinstance(place[-1], str) else place[-2]) in str(refusal)
        else:
            assert label.isprintable()


def test_a_run_may_have_several_arms(config):
    merged = overlay(config, {
        "arms": {"slow": {"training": {"learning_rate": 0.0001}}},
        "studies": {"quick": {"runs": ["BPT-V2", "ST-Tran-T24", "BPT-V2@box@slow"]}},
    })  # fmt: skip
    merged.update(resolve_overlays(merged, BASE))
    checked = check_config(merged)
    assert model_of(checked, "BPT-V2@box@slow")["coordinates"] == "box"
    assert training_of(checked, "BPT-V2@box@slow")["learning_rate"] == 0.0001
    assert "BPT-V2@box@slow" in studies_of(checked)["quick"].runs


def test_models_of_other_sources_keep_the_sizes_of_their_source(config):
    """``architecture`` is that of the paper: a comparator shares its coordinates only."""
    config["architecture"] |= {"depth": 3, "dropout": 0.4, "coordinates": "box"}
    checked = check_config(config)
    for run in ("BPT-V2", "BPT-SE", "BPT-joint", "InertialConv"):
        assert model_of(checked, run)["depth"] == 3
    for run in ("ST-GCN", "LightHART", "FrameTransformer", "HCAM", "LSTM"):
        model = model_of(checked, run)
        assert not {"depth", "dropout", "token_width", "heads"} & set(model)
        assert model["coordinates"] == "box"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"BPT-inflate": {"coordinates": "box"}}, "BPT-uniform.*: its weights have seen other"),
        ({"BPT-uniform": {"training": {"batch_size": 7}}}, "BPT-uniform.*: its batch_size or segm"),
        ({"BPT-V2": {"training": {"batch_size": 7}}}, "BPT-V2.*: its batch_size or segment_length"),
    ],
)  # fmt: skip
def test_trainings_that_need_each_other_are_alike_where_a_study_asks_for_them(
    config, changes, words
):
    """Other studies do not care."""
    checked = check_config(overlay(config, {"runs": changes}))
    for study in ("paper", "controls", "comparators"):
        check_fits(checked, study)
    with pytest.raises(InputError, match=words):
        check_fits(checked, "tubelets")

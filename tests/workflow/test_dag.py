"""The workflow itself, run for real on a small dataset: two small runs, a control, two folds."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml

from bptubeformer.config import studies_of
from bptubeformer.data.store import FrameStore
from bptubeformer.evaluation.tables import read_table
from bptubeformer.figures.projector import CLASSES, VECTORS
from bptubeformer.stages import TABLES, products
from checkout import PAPER, REPOSITORY, RESULTS, SMALL, quick, snakemake
from conftest import trajectory_rows, write_csv


@pytest.fixture
def planned(finished):
    """Jobs that a dry run plans, by rule."""
    checkout, _ = finished

    def plan(*overlays: str) -> dict[str, int]:
        done = snakemake(checkout, "-n", "--configfile", "small.yaml", *overlays)
        assert done.returncode == 0, done.stdout + done.stderr
        return jobs_of(done)

    return plan


def jobs_of(done: subprocess.CompletedProcess) -> dict[str, int]:
    """Number of jobs of each rule that a call of Snakemake planned."""
    table = re.search(r"Job stats:\n.*?\n-+ .*?\n(.*?)\n\n", done.stdout + done.stderr, re.S)
    rows = [line.split() for line in table[1].splitlines()] if table else []
    return {
        rule: int(count)
        for rule, count in rows
        if rule not in ("total", "all", "paper", "controls")
    }


@pytest.fixture(scope="module")
def with_controls(finished):
    """The finished checkout once its controls are built too, and what that printed."""
    checkout, _ = finished
    done = snakemake(checkout, "--configfile", "small.yaml", "--", "controls")
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout, done


@pytest.fixture
def edited(finished):
    """Change a file of the checkout for the time of a test; its times are put back too."""
    checkout, _ = finished
    before = {}

    def edit(name: str, old: str, new: str) -> None:
        path = checkout / name
        before.setdefault(path, (path.read_text(), path.stat()))
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    yield edit
    for path, (text, state) in before.items():
        path.write_text(text)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_all_tables_figures_and_pages_are_there(finished):
    checkout, _ = finished
    found = {path.relative_to(checkout) for path in (checkout / PAPER).rglob("*") if path.is_file()}
    config = yaml.safe_load((checkout / "config.yaml").read_text()) | {"dataset": SMALL["dataset"]}
    declared = set(products(studies_of(config)["paper"]))
    assert len(declared) > 50
    assert all((checkout / path).stat().st_size > 0 for path in declared)
    beside = {path.with_suffix(".ipynb") for path in declared if path.parent.name == "notebooks"}
    assert found == declared | beside | {PAPER / "projector" / name for name in (VECTORS, CLASSES)}


def test_the_pages_show_the_figures_without_a_network(finished):
    checkout, _ = finished
    accuracy = pd.read_csv(checkout / PAPER / "tables" / "accuracy.csv", index_col="run")
    # The matrix of the best run is drawn beside that of the figures' run where it is another one.
    best = accuracy["balanced_accuracy_mean"].idxmax()
    figures_of = {"confusion": 2 + (best != "BPT-V2"), "learning": 1, "attention": 3, "movement": 1,
                  "embeddings": 3, "pareto": 1}  # fmt: skip
    for notebook, figures in figures_of.items():
        page = (checkout / PAPER / "notebooks" / f"{notebook}.html").read_text()
        assert page.count('src="data:image/png') == figures
        assert 'src="http' not in page


def test_every_fold_of_every_run_is_there(finished):
    checkout, _ = finished
    for run in ("ST-Tran", "BPT-V2"):
        for fold in range(2):
            folder = checkout / RESULTS / "as-published" / run / f"fold{fold}"
            names = {path.name for path in folder.iterdir()}
            assert names >= {"model.safetensors", "history.csv", "run.json", "predictions.parquet"}
    table = pd.read_csv(checkout / PAPER / "tables" / "accuracy.csv")
    assert table["run"].tolist() == ["ST-Tran", "BPT-V2"]
    assert table["balanced_accuracy_mean"].between(0, 1).all()


def test_every_claim_has_a_verdict_computed_in_this_run(finished):
    checkout, _ = finished
    table = pd.read_csv(checkout / PAPER / "tables" / "verdict.csv").set_index("id")
    assert table.index.nunique() == 164
    # The runs here are smaller than the paper's, and most are left out.
    assert table.loc[["X01", "X02"], "verdict"].tolist() == ["differs"] * 2
    assert table.loc[["R01", "R03", "R05", "N02"], "verdict"].tolist() == ["followed"] * 4
    assert table.at["T04", "verdict"] == "not testable"
    assert "videos, HR-Crime has 789" in table.at["T04", "reason"]
    assert "windows.step = 24" in table.at["T04", "reason"]
    assert table.at["E01", "verdict"] == "not run"
    assert table.at["R02", "here"].endswith("segments of 24 frames")
    files = {name for names in table["evidence"].dropna() for name in names.split(", ")}
    assert {"tables/accuracy.csv", "tables/complexity.csv", "tables/transformers.csv"} <= files
    for name in files:
        if "*" not in name and not name.startswith(("config", "src")):
            place = PAPER if name.startswith("tables") else RESULTS
            assert (checkout / place / name).exists(), name


def test_leakage_has_every_protocol(finished):
    checkout, _ = finished
    table = pd.read_csv(checkout / PAPER / "tables" / "leakage.csv")
    assert table["protocol"].tolist() == ["as-published", "trajectory", "video"]
    assert table["run"].unique().tolist() == ["BPT-V2"]
    assert table["gap"].notna().tolist() == [False, True, True]


def test_the_summary_has_the_tables_and_the_settings(finished):
    checkout, _ = finished
    text = (checkout / PAPER / "summary.md").read_text()
    for heading in ("# Results on small", "## Table 1", "## Leakage", "## Table 2", "## Verdicts"):
        assert f"\n{heading}" in f"\n{text}"
    assert "folds: 2" in text


def test_the_controls_are_built_by_their_target_and_retrain_nothing(with_controls, planned):
    checkout, done = with_controls
    assert "as-published/BPT-V2-T12/fold1: epoch 1/1" in done.stdout + done.stderr
    assert "as-published/BPT-V2/fold1: epoch 1/1" not in done.stdout + done.stderr
    table = pd.read_csv(checkout / RESULTS / "controls" / "tables" / "accuracy.csv")
    assert table["run"].tolist() == ["ST-Tran", "BPT-V2", "BPT-V2-T12"]
    assert (checkout / RESULTS / "controls" / "figures" / "pareto.svg").exists()
    assert (checkout / RESULTS / "controls" / "tables" / "verdict.html").exists()
    findings = read_table(checkout / RESULTS / "controls" / "tables" / "findings.csv")
    assert findings["question"].tolist() == [
        "Is BPT-V2 better than ST-Tran?", "Does it know noise?",
    ]  # fmt: skip
    assert findings["measure"].tolist() == ["balanced accuracy", "noise"]
    tables = checkout / RESULTS / "controls" / "tables"
    probed = read_table(tables / "retrieval.csv")
    assert set(probed["protocol"]) == {"as-published", "trajectory", "video"}
    assert read_table(tables / "calibration.csv")["measure"].iloc[0] == "calibration error"
    assert "# Findings: " in (checkout / RESULTS / "controls" / "summary.md").read_text()
    assert planned() == {}


def test_a_training_waits_for_the_one_that_it_begins_with(finished, tmp_path):
    checkout, _ = finished
    run = {"model": "bptubeformer", "experiment": "x", "segment_length": 24,
           "kernel": [2, "part", "part"], "stride": [2, "part", "part"],
           "training": {"start_from": "Before", "epochs_of": ["Before"]}}  # fmt: skip
    before = {key: value for key, value in run.items() if key != "training"}
    overlay = {"runs": {"Before": before, "After": run}}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    place = RESULTS / "as-published"
    done = snakemake(checkout, "--configfile", "small.yaml", str(tmp_path / "overlay.yaml"), "--",
                     str(place / "After" / "fold0" / "model.safetensors"))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (
        json.loads((checkout / place / name / "fold0" / "run.json").read_text())
        for name in ("Before", "After")
    )
    assert second["fingerprints"]["start"] == first["fingerprints"]["model"]
    assert second["epochs"] == first["epochs"]
    for name in ("Before", "After"):
        shutil.rmtree(checkout / place / name)
        shutil.rmtree(checkout / RESULTS / "tensorboard" / "as-published" / name)


def test_people_without_a_class_have_a_store_of_their_own(finished, tmp_path):
    checkout, _ = finished
    dataset = {"name": "few", "source": "synthetic", "unlabelled": ["Vandalism"]}
    names = yaml.safe_load((checkout / "config.yaml").read_text())["categories"]["hr-crime"]
    overlay = {"dataset": dataset, "categories": {"few": names[:-1]}}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    data = checkout / "results" / "few" / "data"
    stores = [data / "unlabelled" / "frames.safetensors", data / "frames.safetensors"]
    done = snakemake(checkout, "--configfile", "small.yaml", str(tmp_path / "overlay.yaml"), "--",
                     *(str(path.relative_to(checkout)) for path in stores))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    people, others = (FrameStore.load(path) for path in stores)
    assert people.categories == ("Vandalism",)
    assert others.categories == tuple(names[:-1])
    shutil.rmtree(checkout / "results" / "few")


def test_a_study_whose_models_know_other_joints_is_refused_before_any_job(finished, tmp_path):
    checkout, _ = finished
    run = {"model": "stgcn", "experiment": "x", "segment_length": 24}
    study = {"question": "?", "runs": ["G", "BPT-V2"], "baseline": "G", "shown": "BPT-V2"}
    overlay = {
        "dataset": {"name": "kinect", "source": ".", "skeleton": "kinect-20"},
        "runs": {"G": run}, "studies": {"graphs": study},
    }  # fmt: skip
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    settings = ("-n", "--configfile", "small.yaml", str(tmp_path / "overlay.yaml"), "--")
    assert snakemake(checkout, *settings, "paper").returncode == 0
    done = snakemake(checkout, *settings, "graphs")
    assert done.returncode == 1
    assert (
        "config: studies.graphs.runs = G: it needs joints that kinect-20"
        in done.stdout + done.stderr
    )


def test_the_cost_is_known_before_any_training(finished, tmp_path):
    checkout, _ = finished
    settings = {**SMALL, "dataset": {"name": "before", "source": "synthetic"}}
    (checkout / "before.yaml").write_text(yaml.safe_dump(settings))
    done = snakemake(checkout, "--configfile", "before.yaml", "--", "cost")
    (checkout / "before.yaml").unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# Cost of the runs on before" in done.stdout + done.stderr
    table = pd.read_csv(checkout / "results/before/cost.csv")
    assert table["run"].tolist() == ["ST-Tran", "BPT-V2", "BPT-V2-T12"]
    assert (table["hours"] > 0).all()
    assert not (checkout / "results/before/as-published").exists()


def test_more_seeds_train_more_folds_and_none_again(finished, planned, tmp_path):
    overlay = tmp_path / "seeds.yaml"
    overlay.write_text("seeds: [0, 7]")
    plan = planned(str(overlay))
    assert plan["train"] == 4 + 4  # two runs, and one under two more protocols
    assert plan["predict"] == 4
    assert plan["accuracy"] == plan["leakage"] == 1
    overlay.write_text("seeds: [7]")
    assert planned(str(overlay))["train"] == 8


def test_the_terminal_shows_epochs_tables_and_where_the_figures_stand(finished):
    _, done = finished
    shown = done.stdout + done.stderr
    assert "as-published/BPT-V2/fold1: epoch 1/1" in shown
    assert "Trainings: 8 of 8 done; time left: about " in shown
    assert "# Table 1: balanced accuracy" in shown
    assert "# Table 2: complexity" in shown
    assert "Figures: results/small/paper/figures" in shown


def test_the_log_of_a_training_has_its_epochs(finished):
    checkout, _ = finished
    log = checkout / RESULTS / "logs" / "train" / "as-published" / "BPT-V2-fold0.log"
    assert "epoch 1/1" in log.read_text()


def test_nothing_is_written_outside_results(finished):
    checkout, _ = finished
    new = {path.name for path in checkout.iterdir()} - {p.name for p in REPOSITORY.iterdir()}
    assert new <= {"small.yaml", "results", ".snakemake"}


def test_a_second_run_has_nothing_to_do(finished):
    checkout, _ = finished
    done = snakemake(checkout, "--configfile", "small.yaml")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize("profile", ["gpus", "slurm"])
def test_a_study_with_every_table_can_be_planned_with_another_profile(finished, profile):
    checkout, _ = finished
    settings = ["--profile", f"profiles/{profile}", "--configfile", "small.yaml"]
    done = snakemake(checkout, "-n", "--forceall", *settings, "--", "controls", cores=None)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {table.name for table in TABLES} <= jobs_of(done).keys()


@pytest.mark.parametrize("profile", ["gpus", "slurm"])
def test_another_profile_plans_nothing(finished, profile):
    """Neither does the device, which both change: what a laptop computed stands on a cluster."""
    checkout, _ = finished
    arguments = ["--profile", f"profiles/{profile}", "--configfile", "small.yaml"]
    done = snakemake(checkout, "-n", *arguments, cores=None)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_leftovers_are_named_and_removed_where_that_is_asked_for(finished):
    checkout, _ = finished
    for name in ("as-published/GONE/fold0", "as-published/BPT-V2/fold9", "gone/tables"):
        (checkout / RESULTS / name).mkdir(parents=True)
    before = {path for path in (checkout / RESULTS).rglob("*") if path.is_file()}
    done = snakemake(checkout, "-n", "--configfile", "small.yaml")
    assert f"{RESULTS}/as-published/BPT-V2/fold9, {RESULTS}/as-published/GONE, {RESULTS}/gone" in (
        done.stdout + done.stderr
    )
    done = snakemake(checkout, "--configfile", "small.yaml", "--", "remove_leftovers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert before <= {path for path in (checkout / RESULTS).rglob("*") if path.is_file()}
    done = snakemake(checkout, "-n", "--configfile", "small.yaml")
    assert "no longer" not in done.stdout + done.stderr
    assert "remove_leftovers" not in done.stdout + done.stderr


def test_comments_and_docstrings_plan_nothing(planned, edited):
    edited("src/bptubeformer/models/sttran.py", "Spatial-temporal transformer.", "Words.")
    edited("src/bptubeformer/training/loop.py", "import copy", "import copy  # words")
    edited("config.yaml", "seeds:", "# Words.\nseeds:")
    assert planned() == {}


# What is repeated after a change: docs/running.md has the same table.
OF_A_RUN = {"train": 2, "predict": 1, "accuracy": 1, "draw_confusion": 1, "draw_learning": 1,
            "draw_pareto": 1, "verdict": 1, "summary": 1}  # fmt: skip
"""Two folds of the run, and what is made of all runs."""


def test_a_change_of_a_model_plans_its_runs_and_what_follows(planned, edited):
    edited("src/bptubeformer/models/sttran.py", "__all__ = ", "WORD = 1\n__all__ = ")
    assert planned() == {**OF_A_RUN, "complexity": 1}


def test_a_change_of_a_figure_plans_its_notebook(planned, edited):
    edited("src/bptubeformer/figures/confusion.py", "0.65", "0.66")
    assert planned() == {"draw_confusion": 1}


def test_a_change_of_a_run_plans_this_run(planned, edited):
    edited("config.yaml", "experiment: baseline\n    segment_length: 60",
           "experiment: baseline\n    segment_length: 60\n    dropout: 0.2")  # fmt: skip
    assert planned() == {**OF_A_RUN, "complexity": 1}


def test_a_change_of_what_everything_uses_plans_everything(finished, planned, edited):
    _, done = finished
    edited("src/bptubeformer/atomic.py", "import os", "import os\n\nWORD = 1")
    everything = jobs_of(done)
    assert everything.pop("crate") == 1
    assert planned() == everything


def test_one_output_and_one_rule_can_be_asked_for(with_controls):
    """Of each rule: asked for by one output and forced, it runs, and none before it."""
    checkout, _ = with_controls
    summary = snakemake(checkout, "--configfile", "small.yaml", "--detailed-summary", "--",
                        "controls", "cost", "crate", "crate_without_weights").stdout  # fmt: skip
    outputs = {}
    for line in summary.splitlines()[1:]:
        path, _, rule, *_ = line.split("\t")
        outputs.setdefault(rule, path)
    rules = snakemake(checkout, "--configfile", "small.yaml", "--list-rules").stdout.split()
    assert outputs.keys() == set(rules) - {
        "all",
        "paper",
        "controls",
        "studies",
        "remove_leftovers",
    }

    def forced(rule: str) -> dict[str, int]:
        forcing = ["--forcerun", rule, "--", outputs[rule]]
        return jobs_of(snakemake(checkout, "-n", "--configfile", "small.yaml", *forcing))

    with ThreadPoolExecutor(2) as pool:
        plans = dict(zip(outputs, pool.map(forced, outputs), strict=True))
    assert plans == {rule: {rule: 1} for rule in outputs}


@pytest.mark.parametrize(
    ("overlay", "plan"),
    [
        ("training: {max_epochs: 2}", {"train": 8, "predict": 4}),
        ("training: {plateau_patience: 3}", {}),  # what it was; only the order of keys differs
        ("{device: cpu, slots_per_gpu: 3, training: {checkpoint_seconds: 5}}", {}),
        ("runs: {ST-Tran: null}", {"accuracy": 1, "complexity": 1, "draw_confusion": 1}),
        ("studies: {paper: {leakage: [ST-Tran, BPT-V2]}}", {"train": 4, "leakage": 1}),
        ("studies: {paper: {leakage: []}}", {"verdict": 1, "summary": 1}),
    ],
)
def test_an_overlay_plans_what_it_changes(planned, tmp_path, overlay, plan):
    (tmp_path / "overlay.yaml").write_text(overlay)
    planned_now = planned(str(tmp_path / "overlay.yaml"))
    assert planned_now.items() >= plan.items()
    assert bool(planned_now) == bool(plan)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("dataset: {source: /no/such/folder}", "config: dataset.source = /no/such/folder"),
        ("trainig: {}", "config: trainig = {}: unknown key; did you mean training?"),
        ("runs: {BPT-V2: {kernel: [25, 3, 3]}}", "config: runs.BPT-V2.kernel = [25, 3, 3]"),
        ("runs: {BPT-V9: null}", "config: runs.BPT-V9 = null: no such run; known: ST-Tran"),
        ("protocols: [person]", "config: protocols.0 = person: expected as-published, trajectory"),
    ],
)
def test_a_wrong_configuration_is_one_line_before_any_job(finished, tmp_path, setting, words):
    checkout, _ = finished
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(setting)
    done = snakemake(checkout, "--configfile", "small.yaml", str(overlay))
    assert done.returncode == 1
    shown = done.stdout + done.stderr
    (line,) = [line for line in shown.splitlines() if line.startswith("config:")]
    assert line.startswith(words)
    assert "Traceback" not in shown


def test_a_sweep_killed_on_the_way_goes_on_where_it_was(finished):
    """All processes at once, as by a power cut, while a training runs."""
    checkout, _ = finished
    settings = {**SMALL, "training": {"batch_size": 16, "max_epochs": 30,
                                      "early_stopping_patience": 30,
                                      "checkpoint_seconds": 0}}  # fmt: skip
    models = {}
    for name in ("undisturbed", "killed"):
        settings["dataset"] = {"name": name, "source": "synthetic"}
        (checkout / f"{name}.yaml").write_text(yaml.safe_dump(settings))
        folder = f"results/{name}/as-published/BPT-V2/fold0"
        command = ["--configfile", f"{name}.yaml", "--", f"{folder}/model.safetensors"]
        if name == "killed":
            last = kill_after_epoch(checkout, 2, *command)
            assert not (checkout / folder / "model.safetensors").exists()
            done = snakemake(checkout, *command)
            assert done.returncode == 1
            assert "--unlock" in done.stdout + done.stderr  # Snakemake's own advice
            assert snakemake(checkout, "--unlock", *command).returncode == 0
        done = snakemake(checkout, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        models[name] = (checkout / folder / "model.safetensors").read_bytes()
        (checkout / f"{name}.yaml").unlink()
    assert models["killed"] == models["undisturbed"]
    shown = done.stdout + done.stderr
    (after,) = re.findall(r"going on after epoch (\d+)", shown)
    assert int(after) >= last
    assert f"epoch {last}/30" not in shown
    assert "rule ingest" not in shown
    left = [path.name for path in (checkout / "results").rglob("*")]
    assert not [name for name in left if name.startswith((".partial", "checkpoint"))]


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
)
def test_told_to_stop_it_ends_its_trainings_and_keeps_their_checkpoints(
    finished, number, whole_group
):
    checkout, _ = finished
    settings = {**SMALL, "dataset": {"name": "stopped", "source": "synthetic"},
                "training": {"batch_size": 16, "max_epochs": 1000,
                             "early_stopping_patience": 1000}}  # fmt: skip
    (checkout / "stopped.yaml").write_text(yaml.safe_dump(settings))
    folders = [
        checkout / f"results/stopped/as-published/{run}/fold0" for run in ("BPT-V2", "ST-Tran")
    ]
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--configfile",
        "stopped.yaml",
        "--",
        *(str(folder.relative_to(checkout) / "model.safetensors") for folder in folders),
    ]
    with subprocess.Popen(
        command, cwd=checkout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, env=quick(),
        # Who started the tests in the background has told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        waited_for = {"BPT-V2/fold0: epoch 1/", "ST-Tran/fold0: epoch 1/"}
        for line in process.stdout:
            waited_for -= {words for words in waited_for if words in line}
            if not waited_for:
                break
        assert not waited_for
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.stdout.read()  # until all jobs have ended
    assert process.returncode != 0
    assert all((folder / "checkpoint.safetensors").exists() for folder in folders)
    for folder in folders:
        shutil.rmtree(folder)


def kill_after_epoch(checkout, epoch, *arguments) -> int:
    """Kill Snakemake and all its jobs once an epoch was printed; the last one that was."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    with subprocess.Popen(
        command, cwd=checkout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, env=quick(),
    ) as process:  # fmt: skip
        for line in process.stdout:
            if f"epoch {epoch}/" in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
        printed = re.findall(r"epoch (\d+)/", process.stdout.read())
    return max(map(int, [epoch, *printed]))


def test_own_data_bad_then_mended(finished, tmp_path):
    """A broken file is named, nothing half-written is taken for whole, and mending it is enough.

    Folders may have any name: none of it is ever run by a shell.
    """
    checkout, _ = finished
    source = tmp_path / "own $(touch owned) 'data' {walk};`touch owned`"
    categories = ["-walk {x}; touch owned", 'jump "$(touch owned)"']
    for category in categories:
        for video in ("a", "b b", "c'c", "$(touch owned)", "e\ne"):
            write_csv(source / category / video / "1.csv", trajectory_rows(70))
    broken = write_csv(source / categories[0] / "c'c" / "1.csv", [[1] * 6])
    settings = {**SMALL, "dataset": {"name": "own", "source": str(source)},
                "categories": {"own": categories}, "protocols": ["video"]}  # fmt: skip
    del settings["synthetic"]
    (checkout / "own.yaml").write_text(yaml.safe_dump(settings))
    target = "results/own/data/splits/video/T24/summary.csv"
    done = snakemake(checkout, "--configfile", "own.yaml", "--", target)
    assert done.returncode == 1
    message = f"the first is {broken}, row 1: 6 columns; expected 35 columns"
    assert message in (checkout / "results/own/logs/ingest.log").read_text()
    assert message in done.stdout + done.stderr
    assert not list((checkout / "results/own/data").glob("*.safetensors"))
    assert str(broken) in (checkout / "results/own/data/rejected.csv").read_text()
    write_csv(broken, trajectory_rows(70))
    done = snakemake(checkout, "--configfile", "own.yaml", "--", target)
    assert done.returncode == 0, done.stdout + done.stderr
    (checkout / "own.yaml").unlink()
    summary = read_table(checkout / target)
    assert sorted(summary["category"].unique()) == sorted(categories)
    assert not [*checkout.glob("owned"), *tmp_path.rglob("owned")]

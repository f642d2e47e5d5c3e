"""Every stage by hand, one after the other, as a person would call them."""

import argparse
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from bptubeformer import cli
from bptubeformer.cli import errors_in_one_line, main, read_value, settings_of
from bptubeformer.errors import InputError
from bptubeformer.kinds import Device
from bptubeformer.settings import SplitSettings
from bptubeformer.stages import STAGES
from checkout import study_of_one_run
from conftest import REPOSITORY, trajectory_rows, write_csv

RUN = "{model: bptubeformer, segment_length: 24, token_width: 8, depth: 1}"
TRAINING = "{batch_size: 16, max_epochs: 2}"
SETTINGS = json.dumps(
    {
        "folds": 2, "seed": 42, "minimum_rows": 24, "test_fraction": 0.2,
        "validation_fraction": 0.25,
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder with what all stages wrote for one run of two folds."""
    folder = tmp_path_factory.mktemp("results")

    def run(*arguments):
        main([str(argument) for argument in arguments])

    store, splits = folder / "data" / "frames.safetensors", folder / "split"
    run("synthetic", "--seed", 1, "--size", 0.6, "--folder", folder / "raw",
        "--output", folder / "made.json")  # fmt: skip
    run("acquire", "--source", folder / "raw", "--folder", folder / "none",
        "--output", folder / "manifest.json")  # fmt: skip
    run("ingest", "--manifest", folder / "manifest.json", "--output", store)
    run("split", "--store", store, "--protocol", "video", "--segment-length", 24, "--step", 24,
        "--split", SETTINGS, "--output", splits)  # fmt: skip
    place = folder / "video" / "mine" / "fold{fold}"
    shared = ["--store", store, "--splits", splits, "--folds", [0, 1]]
    run("train", *shared, "--run", RUN, "--training", TRAINING, "--output", place)
    run("predict", *shared, "--folder", place)
    run("attention_movement", *shared, "--folder", place)
    run("embed", *shared, "--folder", place, "--per-class", 3)
    mine = folder / "video" / "mine" / "fold0"
    run("attend", "--store", store, "--model", mine / "model.safetensors", "--category", "Abuse",
        "--predictions", mine / "predictions.parquet",
        "--output", mine / "attention.safetensors")  # fmt: skip
    for protocol in ("as-published", "trajectory"):
        (folder / protocol).symlink_to("video")
    _, study = study_of_one_run(folder, 2, yaml.safe_load(RUN))
    for table in ("accuracy", "leakage", "complexity", "movement", "silhouettes", "verdict"):
        run(table, "--study", json.dumps(study),
            "--output", folder / "alone" / "tables" / f"{table}.csv")  # fmt: skip
    run("projector", "--embeddings", mine / "embeddings.safetensors", "--name", "mine",
        "--output", folder / "projector" / "p.pbtxt")  # fmt: skip
    run("summary", "--study", json.dumps(study), "--base", REPOSITORY / "config.yaml",
        "--output", folder / "alone" / "summary.md")  # fmt: skip
    return folder


def test_a_fold_has_its_files(results):
    fold = results / "video" / "mine" / "fold0"
    assert {path.name for path in fold.iterdir()} == {
        "model.safetensors", "history.csv", "run.json", "predictions.parquet",
        "embeddings.safetensors", "attention.safetensors", "movement.parquet",
    }  # fmt: skip
    history = pd.read_csv(fold / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["best"].any()


def test_tables_are_written_for_programs_and_for_people(results):
    tables = results / "alone" / "tables"
    for name, rows in (("accuracy", 1), ("complexity", 1), ("leakage", 3)):
        assert len(pd.read_csv(tables / f"{name}.csv")) == rows
        assert "| mine " in (tables / f"{name}.md").read_text()
    assert len(pd.read_csv(tables / "folds.csv")) == 2 * 3  # folds, units
    assert len(pd.read_csv(tables / "recalls.csv")) == 2 * 3 * 13
    assert "| wrists " in (tables / "movement.md").read_text()


def test_verdict_and_summary_of_what_was_made(results):
    table = pd.read_csv(results / "alone" / "tables" / "verdict.csv").set_index("id")
    assert table.at["S04", "verdict"] == "differs"  # two folds
    assert table.at["S02", "verdict"] == "not run"  # two epochs
    assert "<!doctype html>" in (results / "alone" / "tables" / "verdict.html").read_text()
    text = (results / "alone" / "summary.md").read_text()
    assert f"# Results on {results.name}\n\nStudy alone: ?" in text


def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path):
    rows = trajectory_rows()
    rows[3][7] = "abc"
    write_csv(tmp_path / "data" / "walk" / "v" / "1.csv", rows)
    write_csv(tmp_path / "data" / "jump" / "v" / "1.csv", trajectory_rows())
    main(["acquire", "--source", str(tmp_path / "data"), "--folder", str(tmp_path / "raw"),
          "--output", str(tmp_path / "manifest.json")])  # fmt: skip
    store = tmp_path / "out" / "frames.safetensors"
    command = [sys.executable, "src", "ingest", "--manifest", str(tmp_path / "manifest.json"),
               "--output", str(store)]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "1 of 2 trajectories cannot be read, more than 0.01 of them" in done.stderr
    assert "walk/v/1.csv, row 4, column x3: 'abc'" in done.stderr
    assert [path.name for path in store.parent.iterdir()] == ["rejected.csv"]
    (row,) = pd.read_csv(store.with_name("rejected.csv")).itertuples()
    assert (row.category, row.row, row.column) == ("walk", 4, "x3")


def test_what_is_rejected_is_listed_and_what_is_passed_over_counted(tmp_path, capsys):
    for name in ("walk", "jump"):
        write_csv(tmp_path / "data" / name / "v" / "1.csv", trajectory_rows())
    write_csv(tmp_path / "data" / "jump" / "v\n2" / "1.csv", [])
    write_csv(tmp_path / "data" / "Normal" / "v" / "1.csv", trajectory_rows())
    (tmp_path / "data" / ".DS_Store").write_text("")
    (tmp_path / "data" / "walk" / "v" / "notes.txt").write_text("")
    (tmp_path / "data" / "jump" / "v" / "4.csv").symlink_to("gone")
    main(["acquire", "--source", str(tmp_path / "data"), "--folder", str(tmp_path / "raw"),
          "--output", str(tmp_path / "manifest.json")])  # fmt: skip
    main(["ingest", "--manifest", str(tmp_path / "manifest.json"),
          "--reading", '{"max_rejected": 0.5}',
          "--output", str(tmp_path / "out" / "frames.safetensors")])  # fmt: skip
    shown = capsys.readouterr().out
    for line in (
        "jump/v\\n2/1.csv: the file is empty", "jump/v/4.csv: cannot be read (No such file",
        "2 files rejected, listed in", "2 categories, 2 trajectories, 60 frames",
        "passed over: 1 left behind by an operating system", "passed over: 1 of normal videos",
        "passed over: 1 not .csv", "left out as normal videos: Normal",
    ):  # fmt: skip
        assert line in shown
    assert len(pd.read_csv(tmp_path / "out" / "rejected.csv")) == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    faults = [file for file in manifest["files"] if file["sha256"] is None]
    assert [file["path"].rsplit("/")[-1] for file in faults] == ["4.csv"]


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    missing = tmp_path / "manifest.json"
    with pytest.raises(SystemExit, match=r"manifest\.json: no such file"):
        main(["ingest", "--manifest", str(missing), "--output", str(tmp_path / "store")])


@pytest.mark.parametrize("text", ["[1]", "word", "{a: [}", "[" * 100_000])
def test_what_is_no_mapping_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--store", "s", "--splits", "s", "--run", text, "--output", "o"])
    assert "argument --run" in capsys.readouterr().err


def test_settings_that_are_no_mapping_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--store", "s", "--splits", "s", "--run", RUN, "--training", "[1]",
              "--output", "o"])  # fmt: skip
    assert "argument --training: not a mapping like '{key: value}': [1]" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{a: b}", "word", "[1]", "[a"])
def test_what_is_no_list_of_names_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["ingest", "--manifest", "m", f"--categories={text}", "--output", "o"])
    assert "argument --categories" in capsys.readouterr().err


def test_names_of_classes_may_look_like_options():
    assert read_value(list[str] | None, '["-x", "--output"]', "x") == ["-x", "--output"]
    assert read_value(list[str], "[walk, jump]", "x") == ["walk", "jump"]


def test_a_path_is_taken_as_it_is():
    for text in ("2024", "2024-06-01", "true", "out #2"):
        assert read_value(Path | None, text, "output") == Path(text)
    assert read_value(Path | None, "", "unlabelled") is None


def test_a_device_that_cannot_be_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="expected auto, cpu, cuda or cuda:<n>"):
        read_value(Device, "gpu", "device")
    assert read_value(Device, "cuda:1", "device") == "cuda:1"


def test_a_setting_outside_its_bounds_is_refused_by_its_key():
    with pytest.raises(
        InputError, match=r"split\.folds = 1: expected a whole number of at least 2"
    ):
        settings_of(SplitSettings, {"folds": 1}, "split")


def test_an_unknown_training_setting_is_refused():
    with pytest.raises(SystemExit, match=r"training\.learning_rat: unknown key"):
        main(["train", "--store", "s", "--splits", "s", "--run", RUN,
              "--training", "{learning_rat: 1}", "--output", "o"])  # fmt: skip


def test_small_numbers_of_json_stay_numbers():
    assert read_value(dict[str, Any], '{"epsilon": 1e-09}', "x") == {"epsilon": 1e-9}


@pytest.mark.parametrize("stage", ["acquire", "train", "notebook"])
def test_every_stage_explains_itself_without_torch(stage):
    code = f"import sys; sys.modules['torch'] = None; sys.path.insert(0, 'src'); \
import bptubeformer.cli as cli; cli.main(['{stage}', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: bptubeformer {stage} ")


def fail_with(error):
    with errors_in_one_line():
        raise error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "a\nb"),
            "a\\nb: no such file or directory; check the path given",
        ),
        (
            PermissionError(13, "Permission denied", "results"),
            "results: permission denied; check the",
        ),
        (NotADirectoryError(20, "Not a directory", "a/b"), "a/b: not a directory; check the path"),
        (OSError(28, "No space left on device"), "the disk is full; make room, then run the same"),
    ],
)
def test_errors_of_the_operating_system_are_one_line(error, words):
    with pytest.raises(SystemExit) as exit:
        fail_with(error)
    assert exit.value.code.startswith(f"bptubeformer: {words}")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "too little memory; let fewer jobs run at a time"),
        (RuntimeError("CUDA error: out of memory"), "too little memory; let fewer jobs"),
        (RecursionError("maximum recursion depth exceeded"), "folders or values lie too deep"),
        (RuntimeError("I/O error: File too large (os error 27)"), "file too large; raise the lim"),
        (KeyboardInterrupt(), "interrupted; finished work is kept"),
    ],
)
def test_what_a_machine_has_too_little_of_and_an_interruption_are_one_line(error, words):
    with pytest.raises(SystemExit) as exit:
        fail_with(error)
    assert exit.value.code.startswith(f"bptubeformer: {words}")


@pytest.mark.parametrize("number", sorted(set(errno.errorcode) - {errno.EPIPE}))
def test_whatever_the_operating_system_refuses_is_one_line(number):
    with pytest.raises(SystemExit) as exit:
        fail_with(OSError(number, os.strerror(number), "a\nb"))
    assert exit.value.code.startswith("bptubeformer: a\\nb: ")
    assert len(exit.value.code.splitlines()) == 1
    with pytest.raises(OSError, match="a"), errors_in_one_line(traceback=True):
        raise OSError(number, os.strerror(number), "a\nb")


def test_what_is_no_fault_of_the_input_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="multiplied"):
        fail_with(RuntimeError("shapes cannot be multiplied"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ingest", "--manifest", "m", "--output", "o", "--threads", "0"], "expected a whole n"),
        (["ingest", "--manifest", "m", "--output", "o", "--threads", "nan"], "expected a whole n"),
        (["acquire", "--source", "s", "--folder", "f", "--output", "o", "--max-gigabytes", "inf"],
         "expected a number above 0, at most 1000000: inf"),
        (["synthetic", "--folder", "f", "--output", "o", "--seed=-1"], "expected a whole number"),
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("{learning_rate: x}", r"training\.learning_rate = 'x': expected a number above 0"),
        (
            "{max_epochs: 2.5}",
            r"training\.max_epochs = 2\.5: expected a whole number",
        ),
        ("{betas: [0.9]}", r"training\.betas = \[0\.9\]: expected two numbers from 0 to below 1"),
        ("{precision: 16}", r"training\.precision = 16: expected fp32, tf32 or bf16"),
        ("{epsilon: .inf}", r"training\.epsilon = inf"),
    ],
)
def test_training_settings_of_another_kind_are_refused(training, words):
    with pytest.raises(SystemExit, match=words):
        main(["train", "--store", "s", "--splits", "s", "--run", RUN, "--training", training,
              "--output", "o"])  # fmt: skip


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("{}", "model None is not one of"),
        ("{model: os}", "model 'os' is not one of"),
        (
            "{model: sttran, segment_length: 24, width: 3}",
            "sttran has no width; it has segm",
        ),
        ("{model: sttran, segment_length: 24.0}", "segment_length 24.0: expected a whole number"),
        (
            "{model: sttran, segment_length: 24, heads: -2}",
            "heads -2: expected a whole number",
        ),
        (
            "{model: sttran, segment_length: 24, dropout: .nan}",
            "dropout nan: expected a number",
        ),
        ("{model: sttran}", "it names no segment_length"),
    ],
)
def test_runs_that_are_none_are_refused(results, tmp_path, run, words):
    with pytest.raises(SystemExit) as exit:
        main(["train", "--store", str(results / "data" / "frames.safetensors"), "--splits",
              str(results / "split"), "--run", run,
              "--output", str(tmp_path / "o")])  # fmt: skip
    assert words in str(exit.value.code)
    assert "see runs in config.yaml" in str(exit.value.code)


@pytest.mark.parametrize(
    ("study", "words"),
    [("{name: x}", "--study has no results; add it"), ("{run: x}", "--study has an unknown key"),
     ("{name: x, results: r}", "--study has no")],
)  # fmt: skip
def test_studies_that_are_none_are_refused(study, words):
    with pytest.raises(SystemExit, match=words):
        main(["verdict", "--study", study, "--output", "o"])


def stage_parser(stage):
    (stages,) = [a for a in cli.parser(stage)._actions if a.dest == "stage"]
    return stages.choices[stage]


def test_every_stage_says_what_its_options_are():
    for stage in STAGES:
        for action in stage_parser(stage)._actions:
            assert action.help, (stage, action.dest)


def test_attention_of_predictions_for_other_data_is_refused(results, tmp_path):
    fold = results / "video" / "mine" / "fold0"
    table = pd.read_parquet(fold / "predictions.parquet")
    attend = ["attend", "--store", str(results / "data" / "frames.safetensors"), "--model",
              str(fold / "model.safetensors"), "--predictions", str(tmp_path / "p.parquet"),
              "--output", str(tmp_path / "attention.safetensors")]  # fmt: skip
    labels = table["label"].cat.codes.to_numpy()
    wrong = table["label"].cat.categories[(labels + 1) % 13]
    for change, words in (
        ({"window_start": 10**6}, "do not lie within a trajectory of this store"),
        ({"trajectory": 999}, "do not lie within a trajectory of this store"),
        ({"label": pd.Categorical(wrong, categories=table["label"].cat.categories)},
         "predictions for other data"),
        ({"logit Abuse": float("nan")}, "not a table of predictions"),
    ):  # fmt: skip
        table.assign(**change).to_parquet(tmp_path / "p.parquet")
        with pytest.raises(SystemExit, match=words):
            main(attend)
